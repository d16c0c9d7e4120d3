"""The console's pages at a million rows: no full scan and no full count of the transactions."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from anomalies.admin.case_page import LATER_SHOWN, PAYMENTS_READ
from anomalies.figures import MOST_COUNTED
from anomalies.models import Case, PendingScore
from benchmarks.primary_query import HEAVY_USER, ORDINARY_USER, SMALL_USER, nodes_of
from transactions.models import Transaction

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("a_million")]

PAGES = {
    "dashboard": reverse("admin:index"),
    "lookup": reverse("console_users"),
    "heavy user": reverse("console_user", args=[HEAVY_USER]),
    "heavy user, a year": reverse("console_user", args=[HEAVY_USER]) + "?days=365",
    "heavy user, long ago": reverse("console_user", args=[HEAVY_USER])
    + "?before=2025-02-01T00:00:00Z_00000000-0000-4000-8000-000000000000",
    "ordinary user": reverse("console_user", args=[ORDINARY_USER]),
    "small user": reverse("console_user", args=[SMALL_USER]),
    "unknown user": reverse("console_user", args=["00000000-0000-4000-8000-000000000005"]),
    **{
        name: reverse(f"admin:anomalies_{name}_changelist")
        for name in ("anomaly", "verdict", "auditentry", "alertbudget", "pendingscore", "reference", "modelversion")
    },
    "queue": reverse("admin:anomalies_case_changelist"),
    "queue, all": reverse("admin:anomalies_case_changelist") + "?state=all&level=high&currency=EUR&score_from=50",
    "queue, one user": reverse("admin:anomalies_case_changelist") + f"?q={HEAVY_USER}",
    "verdicts of one user": reverse("admin:anomalies_verdict_changelist") + f"?q={HEAVY_USER}",
}
# Counting stops at a bound; the timeline reads at most its 2,000 newest rows.
MOST_READ = 2 * MOST_COUNTED + 10


def plan_of(sql: str) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        ((explained,),) = cursor.fetchone()
    return nodes_of((json.loads(explained) if isinstance(explained, str) else explained)["Plan"])


def of_transactions(plan: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [node for node in plan if node.get("Relation Name") == "transactions"]


def rows_read(plan: list[dict[str, Any]]) -> int:
    return sum(
        int(node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)))
        for node in of_transactions(plan)
    )


def plans(client: Client, address: str) -> list[list[dict[str, Any]]]:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    asked = [query["sql"] for query in queries if "transactions" in query["sql"]]
    return [plan_of(sql) for sql in asked if not sql.startswith("EXPLAIN")]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_reads_a_bounded_number_of_transactions(admin_client: Client, name: str) -> None:
    for user, since in ((HEAVY_USER, "2025-01-01T00:00Z"), (ORDINARY_USER, "2025-11-01T00:00Z")):
        PendingScore.objects.create(user_id=user, since=since)
    for plan in plans(admin_client, PAGES[name]):
        assert rows_read(plan) <= MOST_READ
        full = [node for node in of_transactions(plan) if node["Node Type"] == "Seq Scan"]
        # The list's estimate may count the first rows of the table in the order they lie in, and no further.
        assert all(rows_read([node]) <= MOST_COUNTED + 1 for node in full)


@pytest.mark.parametrize("user", [HEAVY_USER, ORDINARY_USER, SMALL_USER])
@pytest.mark.parametrize("asked", ["", "?days=7&until=2025-06-01"])
def test_a_case_reads_its_users_latest_transactions_only(admin_client: Client, user: str, asked: str) -> None:
    at = Transaction.objects.filter(user_id=user).latest("txn_date").txn_date
    case = Case.objects.create(user_id=user, priority=70.0, since=at - timedelta(days=14), latest_at=at)
    (plan,) = plans(admin_client, reverse("admin:anomalies_case_change", args=[case.pk]) + asked)
    assert rows_read(plan) <= PAYMENTS_READ + LATER_SHOWN
    assert not any(node["Node Type"] == "Seq Scan" for node in of_transactions(plan))


def test_the_guard_sees_a_full_scan() -> None:
    plan = plan_of(str(Transaction.objects.filter(merchant_id__isnull=True).query))
    assert rows_read(plan) > MOST_READ
