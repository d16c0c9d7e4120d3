"""Storing 1,000 payments a request over HTTP, beside COPY of as many without HTTP or any check; medians of the turns.

    python -m benchmarks.bulk [--rows 1000000] [--users 5000] [--turns 25]

Makes a database of its own on the configured server and drops it at the end. Both run in turns over one connection,
into the same table with its indexes and constraints, each batch in a database transaction of its own. Ours has a key,
reads the three forms of body, checks every row, finds out what was stored before, and marks what is to be scored.
Beside the time it tells the processor time of the server's processes, which other work on the machine blurs less.
"""

import argparse
import csv
import io
import json
import random
from collections.abc import Callable
from http.client import HTTPConnection
from statistics import median
from time import perf_counter
from typing import Any

from django.db import connection, transaction

from benchmarks import payments
from benchmarks.http import ADDRESS, DAYS, RIVALS, key, payment, processor_seconds, server

BATCH = 1_000


def as_csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(rows[0])
    writer.writerows([*list(row.values())[:-1], json.dumps(row["meta_data"])] for row in rows)
    return text.getvalue()


ADDRESS_OF_BULK = "/api/v1/transactions/bulk/"
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


def sent(to: HTTPConnection, authorization: str, kind: str, rows: list[dict[str, Any]]) -> float:
    """The seconds until the answer to a bulk request is there."""
    body = FORMS[kind](rows)
    began = perf_counter()
    to.request("POST", ADDRESS_OF_BULK, body, {"Authorization": authorization, "Content-Type": kind})
    response = to.getresponse()
    answer = response.read()
    took = perf_counter() - began
    if response.status != 200 or json.loads(answer)["created"] != BATCH:
        raise SystemExit(f"Not every row was created: {response.status} {answer[:300]!r}")
    return took


def measure(*, users: int, turns: int) -> dict[str, tuple[float, float]]:
    """The median seconds of each, and its server's processor time; the first turn warms up and does not count."""
    randomness = random.Random()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ("COPY", *FORMS)}
    authorization = f"Bearer {key()}"
    with server(RIVALS["ours"]) as (main_process, port):
        to = HTTPConnection(ADDRESS, port)
        for _ in range(turns + 1):
            found["COPY"].append((copied(made(randomness, users)), 0.0))
            for kind in FORMS:
                processes = [main_process, *main_process.children(recursive=True)]
                rows, before = made(randomness, users), processor_seconds(processes)
                took = sent(to, authorization, kind, rows)
                found[kind].append((took, processor_seconds(processes) - before))
        to.close()
    return {name: (median(it[0] for it in one[1:]), median(it[1] for it in one[1:])) for name, one in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--turns", type=int, default=25)
    options = parser.parse_args()
    with payments.own_database("bulk_measured"):
        payments.fill(rows=options.rows, users=options.users, days=DAYS)
        found = measure(users=options.users, turns=options.turns)
    copy = found["COPY"][0]
    print(f"{'1,000 rows':24} {'ms':>7} {'rows/s':>8} {'x COPY':>7} {'server ms':>10}")
    for name, (seconds, processor) in found.items():
        cost = f"{1000 * processor:10.1f}" if processor else ""
        print(f"{name:24} {1000 * seconds:7.1f} {BATCH / seconds:8,.0f} {copy / seconds:7.2f} {cost}")


if __name__ == "__main__":
    main()
