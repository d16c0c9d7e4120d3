"""How fast rows are checked and stored, beside COPY of the same rows with no check and no comparison.

    python -m benchmarks.writing [--rows 200000] [--chunk 20000]

Works in a schema of its own in the configured database, and drops it. One process, one connection.
"""

import argparse
import os
import random
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from statistics import median

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "anomaly_server.settings")
django.setup()

from django.db import connection, transaction  # noqa: E402
from uuid_utils.compat import uuid4, uuid7  # noqa: E402

from benchmarks.scratch import scratch_schema  # noqa: E402
from transactions import copying, rows, store  # noqa: E402
from transactions.lines import line  # noqa: E402

REPEATS = 3


def raw_rows(count: int) -> list[dict[str, object]]:
    """Rows as a CSV reader gives them, in the order of time."""
    users = [str(uuid4()) for _ in range(max(1, count // 100))]
    start = datetime(2025, 1, 1, tzinfo=UTC)
    return [
        {
            "id": str(uuid7()),
            "user_id": random.choice(users),
            "amount": f"{random.lognormvariate(3, 1):.2f}",
            "currency": "EUR",
            "txn_date": (start + timedelta(seconds=n)).isoformat(),
            "status": "completed",
            "meta_data": f'{{"merchant_id":"m{n % 500}","country":"DE"}}',
        }
        for n in range(count)
    ]


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_chunks(write: Callable[[list[rows.Row]], object], good: list[rows.Row], chunk: int) -> None:
    for at in range(0, len(good), chunk):
        with transaction.atomic():
            write(good[at : at + chunk])


def plain_copy(good: list[rows.Row]) -> None:
    with connection.cursor() as cursor, cursor.copy(copying.COPY) as copy:
        copy.write("".join(map(line, good)))


def measure(count: int, chunk: int) -> dict[str, float]:
    raw = raw_rows(count)
    now = datetime.now(UTC)
    seconds = {"check": timed(lambda: deque((rows.check(one, now=now) for one in raw), maxlen=0))}
    good = [rows.check(one, now=now) for one in raw]
    with scratch_schema("writing_copy"):
        seconds["plain COPY"] = timed(lambda: in_chunks(plain_copy, good, chunk))
    with scratch_schema("writing_store"):
        seconds["write, all new"] = timed(lambda: in_chunks(store.write, good, chunk))
        seconds["write, all known"] = timed(lambda: in_chunks(store.write, good, chunk))
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--chunk", type=int, default=20_000)
    options = parser.parse_args()
    runs = [measure(options.rows, options.chunk) for _ in range(REPEATS)]
    copied = median(run["plain COPY"] for run in runs)
    for name in runs[0]:
        seconds = median(run[name] for run in runs)
        print(f"{name:18} {options.rows / seconds:10,.0f} rows/s   {copied / seconds:5.2f} x plain COPY")


if __name__ == "__main__":
    main()
