"""Storing 1,000 payments a request over HTTP, beside COPY of as many without HTTP or any check, and beside others.

    python -m benchmarks.bulk [--rows 1000000] [--users 5000] [--turns 25]

Makes a database of its own on the configured server and drops it at the end. All run in turns, over one connection
each, into the same table with its indexes and constraints, each batch in a database transaction of its own; medians of
the turns. Ours has a key, reads the three forms of body, checks every row, answers for each, finds out what was stored
before, and marks what is to be scored. The others are plain DRF (ModelSerializer, bulk_create) and FastAPI with
SQLModel (add_all); they have no key and answer with the rows. Beside the time it tells the processor time of the
server's processes and of PostgreSQL's for them, which other work on the machine blurs less. `make bench` installs the
rivals.
"""

import argparse
import csv
import io
import json
import random
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from http.client import HTTPConnection
from statistics import fmean, median
from time import perf_counter
from typing import Any, NamedTuple

import psutil
from django.db import connection, transaction

from benchmarks import payments
from benchmarks.http import ADDRESS, DAYS, RIVALS, backends, key, payment, processor_seconds, server

BATCH = 1_000


def as_csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(rows[0])
    writer.writerows([*list(row.values())[:-1], json.dumps(row["meta_data"])] for row in rows)
    return text.getvalue()


FORMS: dict[str, Callable[[list[dict[str, Any]]], str]] = {
    "application/json": json.dumps,
    "application/x-ndjson": lambda rows: "".join(json.dumps(row) + "\n" for row in rows),
    "text/csv": as_csv,
}
COPY = "COPY transactions (id, user_id, amount, currency, txn_date, status, meta_data) FROM STDIN"


def made(randomness: random.Random, users: int) -> list[dict[str, Any]]:
    return [json.loads(payment(randomness, users)[2]) for _ in range(BATCH)]


def copied(rows: list[dict[str, Any]]) -> float:
    """The seconds that COPY takes for rows that are ready to be sent."""
    cells = [[*row.values()] for row in rows]
    text = "".join("\t".join([*map(str, row[:-1]), json.dumps(row[-1])]) + "\n" for row in cells)
    began = perf_counter()
    with transaction.atomic(), connection.cursor() as cursor, cursor.copy(COPY) as copy:
        copy.write(text)
    return perf_counter() - began


class Door(NamedTuple):
    """Who is asked, and in which form."""

    rival: str
    kind: str


DOORS = {
    "ours, JSON": Door("ours", "application/json"),
    "ours, NDJSON": Door("ours", "application/x-ndjson"),
    "ours, CSV": Door("ours", "text/csv"),
    "plain DRF": Door("plain DRF", "application/json"),
    "FastAPI": Door("FastAPI", "application/json"),
}


def sent(to: HTTPConnection, path: str, headers: dict[str, str], body: str) -> float:
    """The seconds until the answer to a bulk request is there."""
    began = perf_counter()
    to.request("POST", path, body, headers)
    response = to.getresponse()
    answer = response.read()
    took = perf_counter() - began
    told = json.loads(answer)
    created = len(told) if response.status == 201 else told["created"] if response.status == 200 else 0
    if created != BATCH:
        raise SystemExit(f"Not every row was created: {response.status} {answer[:300]!r}")
    return took


class Turn(NamedTuple):
    """Seconds: on the clock, and of processor time in the server's processes and in PostgreSQL's for our database."""

    took: float
    server: float
    database: float


def turn(processes: list[psutil.Process], work: Callable[[], float]) -> Turn:
    databases = backends()
    before = processor_seconds(processes), processor_seconds(databases)
    took = work()
    return Turn(took, processor_seconds(processes) - before[0], processor_seconds(databases) - before[1])


def typical(turns: list[Turn]) -> Turn:
    """The median time; of the processor's, which is counted in hundredths of a second, the mean."""
    took, server, database = zip(*turns, strict=True)
    return Turn(median(took), fmean(server), fmean(database))


def measure(*, users: int, turns: int) -> dict[str, Turn]:
    """A typical turn of each; the first warms up and does not count."""
    randomness = random.Random()
    found: dict[str, list[Turn]] = {name: [] for name in ("COPY", *DOORS)}
    headers = {"Authorization": f"Bearer {key()}"}
    with ExitStack() as running:
        at = {name: running.enter_context(server(RIVALS[name])) for name in {door.rival for door in DOORS.values()}}
        to = {name: running.enter_context(closing(HTTPConnection(ADDRESS, port))) for name, (_, port) in at.items()}
        for _ in range(turns + 1):
            rows = made(randomness, users)
            found["COPY"].append(turn([], partial(copied, rows)))
            for name, (rival, kind) in DOORS.items():
                main = at[rival][0]
                body = FORMS[kind](made(randomness, users))
                work = partial(sent, to[rival], f"{RIVALS[rival].path}bulk/", {**headers, "Content-Type": kind}, body)
                found[name].append(turn([main, *main.children(recursive=True)], work))
    return {name: typical(seen[1:]) for name, seen in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--turns", type=int, default=25)
    options = parser.parse_args()
    with payments.own_database("bulk_measured"):
        payments.fill(rows=options.rows, users=options.users, days=DAYS)
        found = measure(users=options.users, turns=options.turns)
    copy, ours = found["COPY"].took, found["ours, JSON"].took
    titles = ("ms", "rows/s", "x COPY", "ours / it", "server ms", "database ms")
    print(f"{'1,000 rows':16}", *(f"{title:>11}" for title in titles))
    for name, (took, *processor) in found.items():
        server_ms, database_ms = (1000 * seconds for seconds in processor)
        print(
            f"{name:16} {1000 * took:11.1f} {BATCH / took:11,.0f} {copy / took:11.2f} {took / ours:11.2f} "
            f"{server_ms:11.1f} {database_ms:11.1f}"
        )


if __name__ == "__main__":
    main()
