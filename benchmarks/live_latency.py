"""What live scoring costs: a POST that scores beside the same POST that only stores, through gunicorn.

    python -m benchmarks.live_latency [--rows 1000000] [--users 50000] [--requests 4000] [--json]

Makes a database of its own on the configured server, with a history in which one merchant has 5 % of all rows,
scores it, and drops it at the end. Two servers run side by side, one with LIVE_SCORING=false; 8 connections
that are kept alive send to one and to the other in turns. Other work on the machine then slows both alike:
the ratios are what counts. Payments are ordinary and in order; one in a hundred is ten times as large.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from itertools import cycle, islice
from socket import socket

import django
import numpy as np

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "anomaly_server.settings")
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from uuid_utils.compat import uuid7  # noqa: E402

from benchmarks import payments  # noqa: E402
from transactions import keys, norms, scopes  # noqa: E402

CONNECTIONS = 8
TURN = 200
HISTORY_DAYS = 60
ADDRESS = "127.0.0.1"


class Client:
    """One connection that stays open."""

    def __init__(self, port: int, key: str, *, scores: bool) -> None:
        self.scores = scores
        self.anomalies = 0
        self.connection = HTTPConnection(ADDRESS, port)
        self.headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def open(self) -> None:
        """A fresh connection: the server closes one that is idle for as long as the other server's turn."""
        self.connection.close()
        self.connection.connect()

    def post(self, body: bytes) -> float:
        """Seconds until the answer was read."""
        began = time.perf_counter()
        self.connection.request("POST", "/api/v1/transactions/", body, self.headers)
        answer = self.connection.getresponse()
        content = answer.read()
        seconds = time.perf_counter() - began
        if answer.status != 201 or (json.loads(content)["score"] is not None) != self.scores:
            raise SystemExit(f"{answer.status}: {content!r}")
        self.anomalies += (json.loads(content)["score"] or 0) >= 40
        return seconds


def bodies(users: Iterator[str], count: int, randomness: random.Random) -> list[bytes]:
    """The next payments of the next users."""
    return [_body(user, randomness) for user in islice(users, count)]


def _body(user: str, randomness: random.Random) -> bytes:
    level = 2 + int(user[-12:], 16) % 4
    amount = randomness.lognormvariate(level, 0.6) * (10 if randomness.random() < 0.01 else 1)
    payment = {
        "id": str(uuid7()),
        "user_id": user,
        "amount": f"{amount:.2f}",
        "currency": "EUR" if level < 5 else "USD",
        "txn_date": datetime.now(UTC).isoformat(),
        "status": "completed",
        "meta_data": {
            "merchant_id": "market" if randomness.random() < 0.05 else f"m{randomness.randrange(5000)}",
            "category": f"c{int(user[-12:], 16) % 7}",
            "country": "DE",
        },
    }
    return json.dumps(payment).encode()


@contextmanager
def server(**settings: str) -> Iterator[int]:
    """gunicorn as in production, on a port of its own."""
    with socket() as free:
        free.bind((ADDRESS, 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "-c", "anomaly_server/gunicorn.py", "anomaly_server.wsgi"]
    environment = {**os.environ, "HOST": ADDRESS, "PORT": str(port), "LOG_LEVEL": "WARNING", **settings}
    program = subprocess.Popen(command, env=environment)
    try:
        _wait_for(port)
        yield port
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


def turn(clients: list[Client], work: list[bytes]) -> list[float]:
    """All of the work over all connections at once; the seconds of each request."""

    for client in clients:
        client.open()

    def share(number: int) -> list[float]:
        return [clients[number].post(body) for body in work[number :: len(clients)]]

    with ThreadPoolExecutor(len(clients)) as pool:
        return [seconds for part in pool.map(share, range(len(clients))) for seconds in part]


def measure(requests: int) -> dict[str, list[list[float]]]:
    """The turns of each server, in seconds a request; the first turn of each warms it up and does not count."""
    # One after the other: nobody pays many times a second.
    everybody, randomness, text = norms.users(), random.Random(1), key()
    randomness.shuffle(everybody)
    users = cycle(map(str, everybody))
    seconds: dict[str, list[list[float]]] = {"scoring": [], "storing": []}
    with server(LIVE_SCORING="true") as scoring, server(LIVE_SCORING="false") as storing:
        clients = {
            name: [Client(port, text, scores=name == "scoring") for _ in range(CONNECTIONS)]
            for name, port in (("scoring", scoring), ("storing", storing))
        }
        for _ in range(1 + requests // TURN):
            for name, ours in clients.items():
                seconds[name].append(turn(ours, bodies(users, TURN, randomness)))
        found = sum(client.anomalies for client in clients["scoring"])
    print(f"{found / (requests + TURN):.1%} of the scored payments were anomalies", file=sys.stderr)
    return {name: turns[1:] for name, turns in seconds.items()}


def figures(seconds: dict[str, list[list[float]]]) -> dict[str, float]:
    """p50 and p99 in milliseconds, over all turns, and their ratios."""
    found: dict[str, float] = {}
    for percent in (50, 99):
        p = {name: 1000 * float(np.percentile(np.concatenate(turns), percent)) for name, turns in seconds.items()}
        found |= {f"{name}_p{percent}_ms": value for name, value in p.items()}
        found[f"p{percent}_ratio"] = p["scoring"] / p["storing"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of history")
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--requests", type=int, default=4_000, help="to each of the two servers")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with payments.own_database(f"live_latency_{os.getpid()}"):
        payments.fill(rows=options.rows, users=options.users, days=HISTORY_DAYS)
        call_command("score", stdout=sys.stderr)
        found = figures(measure(options.requests))
    if options.json:
        print(json.dumps({**vars(options), **found}))
        return
    for percent in (50, 99):
        scoring, storing = found[f"scoring_p{percent}_ms"], found[f"storing_p{percent}_ms"]
        print(f"p{percent}  scoring {scoring:7.2f} ms   storing {storing:7.2f} ms   {scoring / storing:5.2f} x")


if __name__ == "__main__":
    main()
