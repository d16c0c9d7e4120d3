"""Sends prepared requests as they would arrive, and says how long each answer took; one small process.

    python -m benchmarks.arrivals PORT CONNECTIONS RATE < requests

Reads the requests from standard input, each after its length and a line break, and sends each once, over connections
that stay open. RATE 0 is a closed loop: each connection sends its next request when it has its answer, so the server
is never idle, and an answer takes as long as those before it. Any other RATE is an open loop: so many requests a second
arrive at random instants (Poisson), whether or not the server is ready, and one that finds all connections busy waits.
Prints as JSON the seconds of each answer, in an open loop from the instant at which it was due, so that what a slow
answer keeps waiting counts too; the scores in the answers; and how long it all took.
"""

import json
import random
import re
import selectors
import sys
import time
from collections import deque

from benchmarks.http_client import Connection, prepared

SCORE = re.compile(rb'"score":([0-9.]+|null)')
# The same instants in every run and for every server.
SEED = 1


def instants(count: int, rate: float) -> list[float]:
    """When each request is due, in seconds from the start; all at once where there is no rate."""
    if not rate:
        return [0.0] * count
    randomness, at, found = random.Random(SEED), 0.0, []
    for _ in range(count):
        at += randomness.expovariate(rate)
        found.append(at)
    return found


def score(connection: Connection) -> float | None:
    """Of a transaction that was stored; None where it has none yet."""
    told = SCORE.search(connection.answer)
    if connection.status() != "201" or told is None:
        raise SystemExit(connection.answer.decode())
    return None if told[1] == b"null" else float(told[1])


class Loop:
    """Requests that wait, connections that are free, and answers that are on their way."""

    def __init__(self, port: int, connections: int, rate: float) -> None:
        self.is_open = bool(rate)
        requests = prepared()
        # Its waits are not rounded up to milliseconds.
        self.ready = selectors.SelectSelector()
        self.free = [Connection(port) for _ in range(connections)]
        for one in self.free:
            self.ready.register(one.socket, selectors.EVENT_READ, one)
        self.due: dict[Connection, float] = {}
        self.began = time.perf_counter() + 0.05
        self.waiting = deque(zip(instants(len(requests), rate), requests, strict=True))
        self.seconds: list[float] = []
        self.scores: list[float | None] = []

    def run(self) -> float:
        """Send all and read all; the seconds that took."""
        while self.waiting or self.due:
            self.send()
            wait = None
            if self.free and self.waiting:
                wait = max(self.began + self.waiting[0][0] - time.perf_counter(), 0)
            for key, _ in self.ready.select(wait):
                if key.data.receive():
                    self.note(key.data)
        return time.perf_counter() - self.began

    def send(self) -> None:
        """What is due, as far as there are free connections."""
        while self.free and self.waiting and self.began + self.waiting[0][0] <= time.perf_counter():
            at, request = self.waiting.popleft()
            one = self.free.pop()
            one.send(request)
            self.due[one] = self.began + at if self.is_open else one.sent

    def note(self, one: Connection) -> None:
        self.seconds.append(time.perf_counter() - self.due.pop(one))
        self.scores.append(score(one))
        self.free.append(one)


def main() -> None:
    loop = Loop(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
    took = loop.run()
    print(json.dumps({"seconds": loop.seconds, "scores": loop.scores, "took": took}))


if __name__ == "__main__":
    main()
