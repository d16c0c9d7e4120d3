"""What live scoring costs: a POST that scores beside the same POST that only stores, through gunicorn.

    python -m benchmarks.live_latency [--rows 1000000] [--users 50000] [--requests 4000] [--rate 0] [--json]

Makes a database of its own on the configured server, with a history in which one merchant has 5 % of all rows,
scores it, and drops it at the end. Two servers run side by side, one with LIVE_SCORING=false, and are sent to
in turns: other work on the machine slows both alike, and the ratios are what counts. Payments are ordinary and in
order, and begin where the history ends; one in a hundred is ten times as large. The client is one small process on the
same machine.

Three things are measured, each of both servers:

- *latency*: an open loop. Payments arrive at random instants, at one rate for both servers, which leaves both idle
  most of the time (a quarter of what the scoring one answers at most, if not given): how long somebody waits who
  sends one. Counted from the instant at which it was due, so that what a slow answer keeps waiting counts too.
- *saturated*: a closed loop of 8 connections, each of which sends again at once when it is answered. The server is
  never idle; an answer waits for those before it, and takes as long as eight of them take all processors. That is
  throughput in other words; nobody runs a payment system like that.
- *processor time* of a POST during the closed loop: of the server's processes, and of PostgreSQL's sessions, where
  that runs on the same machine. It does not depend on what else the machine does, or much less.

Percentiles are of each turn, and of these the median over all turns is told: others on the machine take its processors
away for some hundredths of a second now and then, and where that happens to one server more often, all its slowest of a
hundred are theirs. A ratio is the median of those of a turn to the other server's turn beside it. In brackets is what
comes of all turns taken together.

A commit waits for the disk if the server's `fsync` and `synchronous_commit` say so, which they do unless somebody
has turned them off; the embedded server does as in production. They are printed with the figures.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.client import HTTPConnection
from itertools import cycle, islice, product
from socket import socket
from typing import Any

import django
import numpy as np

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "anomaly_server.settings")
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from uuid_utils.compat import uuid7  # noqa: E402

from benchmarks import payments, processor_time  # noqa: E402
from scoring.columns import Floats  # noqa: E402
from transactions import keys, pieces, scopes  # noqa: E402

# In a closed loop. An open one has as many as nobody ever waits for.
CONNECTIONS = 8
OPEN_CONNECTIONS = 32
TURN = 200
# Of what the scoring server answers at most.
USUAL_LOAD = 0.25
HISTORY_DAYS = 60
ADDRESS = "127.0.0.1"
NAMES = {"scoring": "true", "storing": "false"}


@dataclass
class Server:
    """One of the two, and what was measured of it."""

    scores: bool
    port: int
    pid: int
    key: str
    # Of each turn, the seconds of each answer.
    turns: dict[str, list[list[float]]] = field(default_factory=lambda: {"latency": [], "saturated": []})
    anomalies: int = 0
    took: float = 0.0
    # Processor time in the closed loop.
    ours_s: float = 0.0
    database_s: float = 0.0

    def turn(self, bodies: list[bytes], rate: float) -> None:
        """Send all of them, in an open loop if there is a rate."""
        ours, database = processor_time.of_program(self.pid), processor_time.of_database()
        answers = sent(self.port, [request(body, self.key) for body in bodies], rate)
        if any((score is not None) != self.scores for score in answers["scores"]):
            raise SystemExit("Some answers have a score, and some have none.")
        self.anomalies += sum((score or 0) >= 40 for score in answers["scores"])
        self.turns["latency" if rate else "saturated"].append(answers["seconds"])
        if not rate:
            self.took += answers["took"]
            self.ours_s += processor_time.of_program(self.pid) - ours
            self.database_s += (processor_time.of_database() or np.nan) - (database or np.nan)

    @property
    def posts(self) -> int:
        """In the closed loop."""
        return sum(map(len, self.turns["saturated"]))

    def milliseconds(self, loop: str, percent: int) -> Floats:
        """The percentile of each turn."""
        return 1000 * np.array([np.percentile(turn, percent) for turn in self.turns[loop]])

    def milliseconds_of_all(self, loop: str, percent: int) -> float:
        return 1000 * float(np.percentile(np.concatenate(self.turns[loop]), percent))

    def forget(self) -> None:
        """What was measured so far: it has warmed up."""
        self.turns = {"latency": [], "saturated": []}
        self.anomalies, self.took, self.ours_s, self.database_s = 0, 0.0, 0.0, 0.0


def sent(port: int, requests: list[bytes], rate: float) -> dict[str, Any]:
    """What `benchmarks.arrivals` says of them."""
    connections = OPEN_CONNECTIONS if rate else CONNECTIONS
    command = [sys.executable, "-m", "benchmarks.arrivals", str(port), str(connections), str(rate)]
    written = b"".join(b"%d\n%s" % (len(one), one) for one in requests)
    client = subprocess.run(command, input=written, check=True, stdout=subprocess.PIPE)
    answers: dict[str, Any] = json.loads(client.stdout)
    return answers


def request(body: bytes, key: str) -> bytes:
    head = (
        f"POST /api/v1/transactions/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Clock:
    """Goes on from the newest payment of the history: a gap after it would make everybody look asleep until now."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        with connection.cursor() as cursor:
            cursor.execute("SELECT max(txn_date) FROM transactions")
            self.newest: datetime = cursor.fetchone()[0]

    def now(self) -> datetime:
        return self.newest + timedelta(seconds=time.monotonic() - self.began)


def bodies(users: Iterator[str], count: int, randomness: random.Random, clock: Clock) -> list[bytes]:
    """The next payments of the next users, as `benchmarks.payments` makes those before them."""
    return [_body(user, randomness, clock.now()) for user in islice(users, count)]


def _body(user: str, randomness: random.Random, at: datetime) -> bytes:
    level = 2 + int(user[-12:], 16) % 4
    amount = randomness.lognormvariate(level, 0.6) * (10 if randomness.random() < 0.01 else 1)
    payment = {
        "id": str(uuid7()),
        "user_id": user,
        "amount": f"{amount:.2f}",
        "currency": "EUR" if level < 5 else "USD",
        "txn_date": at.isoformat(),
        "status": "completed",
        "meta_data": {
            "merchant_id": "market" if randomness.random() < 0.05 else f"m{round(5000 * randomness.random() ** 2)}",
            "category": f"c{int(user[-12:], 16) % 7}",
            "country": "DE",
        },
    }
    return json.dumps(payment).encode()


@contextmanager
def server(key: str, **settings: str) -> Iterator[Server]:
    """gunicorn as in production, on a port of its own."""
    with socket() as free:
        free.bind((ADDRESS, 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "-c", "anomaly_server/gunicorn.py", "anomaly_server.wsgi"]
    environment = {**os.environ, "HOST": ADDRESS, "PORT": str(port), "LOG_LEVEL": "WARNING", **settings}
    program = subprocess.Popen(command, env=environment)
    try:
        _wait_for(port)
        yield Server(settings["LIVE_SCORING"] == "true", port, program.pid, key)
    finally:
        program.terminate()
        program.wait()


def _wait_for(port: int) -> None:
    ends = time.monotonic() + 60
    while True:
        try:
            connection = HTTPConnection(ADDRESS, port, timeout=5)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        if time.monotonic() > ends:
            raise SystemExit("The server did not start.")
        time.sleep(0.1)


def key() -> str:
    owner = User.objects.create_superuser("benchmark")
    return keys.create(owner=owner, name="benchmark", scopes=scopes.ALL)[1]


def measure(requests: int, rate: float) -> dict[str, float]:
    """Turns of both servers: some to warm up, then all of the closed loop, then all of the open one."""
    # One after the other: nobody pays many times a second.
    everybody, randomness, text, clock = pieces.everybody(), random.Random(1), key(), Clock()
    randomness.shuffle(everybody)
    users = cycle(map(str, everybody))
    with ExitStack() as running:
        servers = {name: running.enter_context(server(text, LIVE_SCORING=value)) for name, value in NAMES.items()}

        def turns(count: int, rate: float) -> None:
            for _ in range(count):
                for one in servers.values():
                    one.turn(bodies(users, TURN, randomness, clock), rate)

        turns(2, 0)
        for one in servers.values():
            one.forget()
        turns(requests // TURN, 0)
        scoring = servers["scoring"]
        rate = rate or USUAL_LOAD * scoring.posts / scoring.took
        turns(requests // TURN, rate)
    print(f"{scoring.anomalies / (2 * requests):.1%} of the scored payments were anomalies", file=sys.stderr)
    return {"rate": rate, **figures(servers)}


def figures(servers: dict[str, Server]) -> dict[str, float]:
    """p50 and p99, medians of turns and of all, and processor time of a POST, all in milliseconds; and ratios."""
    found: dict[str, float] = {}
    for loop, percent in product(("latency", "saturated"), (50, 99)):
        scoring, storing = (servers[name].milliseconds(loop, percent) for name in NAMES)
        found[f"{loop}_p{percent}_ratio"] = float(np.median(scoring / storing))
        for name, one in servers.items():
            found[f"{loop}_{name}_p{percent}_ms"] = float(np.median(one.milliseconds(loop, percent)))
            found[f"{loop}_{name}_p{percent}_of_all_ms"] = one.milliseconds_of_all(loop, percent)
    for name, one in servers.items():
        found[f"{name}_ours_ms"] = 1000 * one.ours_s / one.posts
        found[f"{name}_postgresql_ms"] = 1000 * one.database_s / one.posts
    return found


def setting(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [name])
        found: str = cursor.fetchone()[0]
    return found


def told(found: dict[str, float]) -> Iterator[str]:
    """The figures, a line each."""
    for loop, title in (("latency", f"latency at {found['rate']:.0f} a second"), ("saturated", "saturated")):
        for percent in (50, 99):
            scoring, storing = (found[f"{loop}_{name}_p{percent}_ms"] for name in NAMES)
            of_all = [found[f"{loop}_{name}_p{percent}_of_all_ms"] for name in NAMES]
            ratios = f"{found[f'{loop}_p{percent}_ratio']:5.2f} x   ({of_all[0]:.2f}, {of_all[1]:.2f} ms)"
            yield f"{title:>26} p{percent}  scoring {scoring:7.2f} ms   storing {storing:7.2f} ms   {ratios}"
    for whose in ("ours", "postgresql"):
        scoring, storing = (found[f"{name}_{whose}_ms"] for name in NAMES)
        yield f"{'processor time':>26} {whose}: scoring {scoring:.2f} ms   storing {storing:.2f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of history")
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--requests", type=int, default=4_000, help="in each loop to each of the two servers")
    parser.add_argument("--rate", type=float, default=0, help="requests a second of the open loop")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with payments.own_database(f"live_latency_{os.getpid()}"):
        began = time.monotonic()
        payments.fill(rows=options.rows, users=options.users, days=HISTORY_DAYS)
        call_command("score", stdout=sys.stderr)
        print(f"prepared in {time.monotonic() - began:.0f} s", file=sys.stderr)
        durable = {name: setting(name) for name in ("fsync", "synchronous_commit")}
        found = measure(options.requests, options.rate)
    if options.json:
        print(json.dumps({**vars(options), **durable, **found}))
        return
    print(", ".join(f"{name} {value}" for name, value in durable.items()))
    print("\n".join(told(found)))


if __name__ == "__main__":
    main()
