"""The list of transactions at a million rows: no page reads much more than it shows."""

import json
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from anomalies.estimates import COUNTED_ROWS, LAST_PAGE
from benchmarks.primary_query import HEAVY_USER, ORDINARY_USER, SMALL_USER, nodes_of
from transactions.admin.transactions import SEARCHED_ROWS
from transactions.models import Transaction

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("a_million")]

LIST = reverse("admin:transactions_transaction_changelist")
# What each page may ask for; a rare status and a rare amount have nobody's rows early in any order.
PLAIN = {
    "all": {},
    "all, oldest first": {"o": "-0"},
    "last page": {"p": str(LAST_PAGE)},
    "one day": {"txn_date_from": "2025-03-01", "txn_date_to": "2025-03-01"},
    "a quarter": {"txn_date_from": "2025-04-01", "txn_date_to": "2025-06-30"},
    "days without rows": {"txn_date_from": "2019-01-01", "txn_date_to": "2019-12-31"},
    "heavy user": {"q": HEAVY_USER},
    "heavy user, last page": {"q": HEAVY_USER, "p": str(LAST_PAGE)},
    "heavy user in May": {"q": HEAVY_USER, "txn_date_from": "2025-05-01", "txn_date_to": "2025-05-31"},
    "ordinary user": {"q": ORDINARY_USER},
    "small user": {"q": SMALL_USER},
    "unknown user": {"q": str(UUID(int=5))},
    "no id": {"q": "alice"},
}
PICKED = {
    "status": {"status": "failed"},
    "rare status": {"status": "unheard_of"},
    "rare currency": {"currency": "XAU"},
    "rare amount": {"amount_from": "9999999"},
    "narrow amount": {"amount_from": "150", "amount_to": "155"},
    "rare amount, a quarter": {"amount_from": "9999999", "txn_date_from": "2025-04-01", "txn_date_to": "2025-06-30"},
    "rare amount, heavy user": {"amount_from": "9999999", "q": HEAVY_USER},
    "rare status, heavy user": {"status": "unheard_of", "q": HEAVY_USER},
    "rare status, ordinary user": {"status": "unheard_of", "q": ORDINARY_USER},
    "everything": {"status": "failed", "currency": "USD", "amount_from": "20", "txn_date_from": "2025-02-01"},
}


def plans_of(client: Client, address: str, asked: dict[str, str]) -> list[list[dict[str, Any]]]:
    """The plans, run once more, of what a page asks the table of transactions; a list of nodes for each."""
    with CaptureQueriesContext(
        connection,
    ) as queries:
        answer = client.get(address, asked)
    assert answer.status_code == 200
    selects = [query["sql"] for query in queries if 'FROM "transactions"' in query["sql"]]
    plans = [plan_of(sql) for sql in selects if not sql.startswith("EXPLAIN")]
    assert plans or asked.get("q") == "alice"
    return plans


def plan_of(sql: str) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        ((explained,),) = cursor.fetchone()
    return nodes_of((json.loads(explained) if isinstance(explained, str) else explained)["Plan"])


def rows_read(plan: list[dict[str, Any]]) -> int:
    """What the scans of a plan have read, whether they kept it or not."""
    return sum(
        int(node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)))
        for node in plan
        if "Relation Name" in node
    )


def is_full_scan(node: dict[str, Any]) -> bool:
    """A sequential scan that no LIMIT has stopped."""
    return node["Node Type"] == "Seq Scan" and rows_read([node]) > COUNTED_ROWS + 1


@pytest.mark.parametrize("name", PLAIN)
def test_a_page_reads_no_more_than_the_pages_before_it(admin_client: Client, name: str) -> None:
    for plan in plans_of(admin_client, LIST, PLAIN[name]):
        assert not any(is_full_scan(node) for node in plan)
        assert not any("Sort" in node["Node Type"] and rows_read([*plan]) > 1000 for node in plan)
        assert rows_read(plan) <= LAST_PAGE * 50


@pytest.mark.parametrize("name", PICKED)
def test_what_is_rare_is_looked_for_in_bounds(admin_client: Client, name: str) -> None:
    for plan in plans_of(admin_client, LIST, PICKED[name]):
        assert not any(is_full_scan(node) for node in plan)
        assert rows_read(plan) <= SEARCHED_ROWS + 1


def test_the_page_of_one_transaction_reads_its_row_by_its_key(admin_client: Client) -> None:
    transaction = Transaction.objects.filter(user_id=HEAVY_USER).first()
    assert transaction is not None
    page = reverse("admin:transactions_transaction_change", args=[transaction.pk])
    for plan in plans_of(admin_client, page, {}):
        assert rows_read(plan) <= 1000
        assert not any(is_full_scan(node) for node in plan)


def test_the_count_of_everything_is_an_estimate(admin_client: Client) -> None:
    paginator = admin_client.get(LIST).context["cl"].paginator
    assert paginator.is_exact is False
    assert 900_000 < paginator.count < 1_100_000


def test_the_guard_sees_a_full_scan() -> None:
    plan = plan_of(str(Transaction.objects.filter(merchant_id__isnull=True).query))
    assert any(is_full_scan(node) for node in plan)
    assert rows_read(plan) > 900_000  # of parallel workers the plan tells averages
