"""What an index on the time alone costs and gives: none, BRIN, or btree over (txn_date DESC, id).

    python -m benchmarks.date_index [--rows 1000000] [--more 100000] [--repeats 5]

Each variant is built on the same table; rows are then added in the order of time (as payments happen) and
spread over the year (as a late file is loaded), and pages of all users are read. Prints the quickest of the
interleaved runs: what else the machine does only ever adds. Works in a schema of its own in the configured
database, and drops it; needs the right to CHECKPOINT.
"""

import argparse
import os
import time
from collections import defaultdict
from collections.abc import Callable

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "anomaly_server.settings")
django.setup()

from django.db import connection, transaction  # noqa: E402
from django.db.models import Max, Min  # noqa: E402

from benchmarks.primary_query import JUNE  # noqa: E402
from benchmarks.scratch import fill, scratch_schema  # noqa: E402
from transactions.models import Transaction  # noqa: E402

VARIANTS = {
    "none": "SELECT",
    "BRIN": "CREATE INDEX ix_date ON transactions USING brin (txn_date) WITH (pages_per_range = 16)",
    "btree": "CREATE INDEX ix_date ON transactions (txn_date DESC, id)",
}
# Copies of stored rows under new ids, dated as given.
ADD = """
    INSERT INTO transactions (id, user_id, amount, currency, txn_date, status, meta_data)
    SELECT gen_random_uuid(), user_id, amount, currency, {at}, status, meta_data
    FROM (SELECT *, row_number() OVER () AS n FROM transactions LIMIT %(more)s) AS stored
    ORDER BY user_id, {at}
"""
IN_ORDER = ADD.format(at="timestamptz '2026-01-01 00:00+00' + n * interval '1 s'")
SPREAD = ADD.format(
    at="timestamptz '2025-01-01 00:00+00' + ('x' || right(id::text, 7))::bit(28)::int * interval '0.1 s'"
)


def newest_page() -> object:
    return list(Transaction.objects.order_by("-txn_date", "id")[:50])


def page_of_june() -> object:
    return list(Transaction.objects.filter(txn_date__range=JUNE).order_by("-txn_date", "id")[:50])


def span() -> object:
    return Transaction.objects.aggregate(Min("txn_date"), Max("txn_date"))


READS: dict[str, Callable[[], object]] = {
    "newest page": newest_page,
    "page of June": page_of_june,
    "first and last": span,
}


def timed_ms(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def measure(variant: str, more: int) -> dict[str, float]:
    """Figures of one variant, on the table as it was filled: what is added is rolled back."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX IF EXISTS ix_date; {VARIANTS[variant]}")
        cursor.execute("VACUUM transactions")
        for read in READS.values():
            read()
        figures = {name: timed_ms(read) for name, read in READS.items()}
        cursor.execute("SELECT coalesce(pg_relation_size(to_regclass('ix_date')), 0) / 1024.0 ^ 2")
        figures["MiB"] = float(cursor.fetchone()[0])
        figures["add in order"] = added_ms(IN_ORDER, more)
        figures["add spread"] = added_ms(SPREAD, more)
    return figures


def added_ms(statement: str, more: int) -> float:
    """How long it takes to add rows, once everything before is on disk."""
    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")
        with transaction.atomic():
            taken = timed_ms(lambda: cursor.execute(statement, {"more": more}))
            transaction.set_rollback(True)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--more", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    found = defaultdict(list)
    with scratch_schema("date_index"):
        fill(options.rows)
        with connection.cursor() as cursor:
            cursor.execute("DROP INDEX ix_transaction_date")
        for _ in range(options.repeats):
            for variant in VARIANTS:
                found[variant].append(measure(variant, options.more))
    names = list(found["none"][0])
    print("| index | " + " | ".join(f"{name}, ms" if name != "MiB" else name for name in names) + " |")
    print("|---" * (len(names) + 1) + "|")
    for variant, runs in found.items():
        print(f"| {variant} | " + " | ".join(f"{min(run[name] for run in runs):,.2f}" for name in names) + " |")


if __name__ == "__main__":
    main()
