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
import socket
import sys
import time
from collections import deque

LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
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


class Connection:
    """One connection, and the answer that it is waiting for."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answer = b""
        self.sent = 0.0

    def send(self, request: bytes) -> None:
        self.answer, self.sent = b"", time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Read on; true when the answer is whole."""
        part = self.socket.recv(1 << 18)
        if not part:
            raise SystemExit(f"The server closed the connection: {self.answer[:300]!r}")
        self.answer += part
        head, end, body = self.answer.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if end and length is None:
            raise SystemExit("An answer without its length cannot be followed.")
        return length is not None and bool(end) and len(body) >= int(length[1])


def prepared() -> list[bytes]:
    read, found = sys.stdin.buffer, []
    while length := read.readline():
        found.append(read.read(int(length)))
    return found


def score(connection: Connection) -> float | None:
    """Of a transaction that was stored; None where it has none yet."""
    told = SCORE.search(connection.answer)
    if connection.answer[9:12] != b"201" or told is None:
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
