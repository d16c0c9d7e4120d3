"""Which order of its columns the index of the primary query should have.

    python -m benchmarks.index_order [--rows 1000000] [--repeats 15]

All orders stand side by side on one table; each repeat runs every query with every order, the other
indexes dropped in a transaction that is rolled back. Works in a schema of its own in the configured
database, and drops it.
"""

import argparse
import os
from collections import defaultdict
from statistics import median

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "anomaly_server.settings")
django.setup()

from django.db import connection, transaction  # noqa: E402

from benchmarks.primary_query import QUERIES, Plan, plan_of, primary_query  # noqa: E402
from benchmarks.scratch import fill, scratch_schema  # noqa: E402

OURS = "user, date desc, id, amount"
ORDERS = {
    "user, date, amount, id": "(user_id, txn_date, amount, id)",
    OURS: "(user_id, txn_date DESC, id, amount)",
    "user, date desc, id; amount included": "(user_id, txn_date DESC, id) INCLUDE (amount)",
}


def build(rows: int) -> dict[str, int]:
    """Fill the table and give it one index an order; their sizes in bytes."""
    fill(rows)
    sizes = {}
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX ix_user_date_amount_id")
        for number, (order, columns) in enumerate(ORDERS.items()):
            cursor.execute(f"CREATE INDEX ix_order_{number} ON transactions {columns}")
            cursor.execute(f"SELECT pg_relation_size('ix_order_{number}')")
            (sizes[order],) = cursor.fetchone()
        cursor.execute("VACUUM ANALYZE transactions")
    return sizes


def run_with_only(number: int, query: str) -> Plan:
    with transaction.atomic(), connection.cursor() as cursor:
        for other in range(len(ORDERS)):
            if other != number:
                cursor.execute(f"DROP INDEX ix_order_{other}")
        plan = plan_of(primary_query(*QUERIES[query]), run=True)
        transaction.set_rollback(True)
    return plan


def measure(repeats: int) -> dict[tuple[str, str], list[Plan]]:
    plans = defaultdict(list)
    for _ in range(repeats):
        for query in QUERIES:
            for number, order in enumerate(ORDERS):
                plans[query, order].append(run_with_only(number, query))
    return plans


def report(plans: dict[tuple[str, str], list[Plan]], sizes: dict[str, int]) -> None:
    print("| query | index | time, ms | x ours | buffers | sort |\n|---|---|---|---|---|---|")
    for query in QUERIES:
        times = {order: median(plan.time_ms or 0.0 for plan in plans[query, order]) for order in ORDERS}
        for order in ORDERS:
            last = plans[query, order][-1]
            sort = next((kind for kind in last.kinds if "Sort" in kind), "none")
            ratio = times[order] / times[OURS]
            print(f"| {query} | {order} | {times[order]:.3f} | {ratio:.2f} | {last.buffers:,} | {sort} |")
    print("\nSizes: " + ", ".join(f"{order}: {size / 2**20:.0f} MiB" for order, size in sizes.items()))


def explain(query: str) -> None:
    """Print a query as the ORM sends it, and its plan on the model's own index."""
    with connection.cursor() as cursor:
        for number in range(len(ORDERS)):
            cursor.execute(f"DROP INDEX ix_order_{number}")
        cursor.execute(f"CREATE INDEX ix_user_date_amount_id ON transactions {ORDERS[OURS]}")
    asked = primary_query(*QUERIES[query])
    asked.explain(analyze=True)  # the first run reads the new index
    print(f"\n{asked.query}\n\n{asked.explain(analyze=True, buffers=True)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    with scratch_schema("index_order"):
        sizes = build(options.rows)
        measure(1)  # warms the cache
        report(measure(options.repeats), sizes)
        explain("heavy user, June")


if __name__ == "__main__":
    main()
