"""Users: who has transactions, found without reading them all."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from tests.api import BASE, faults, problem, reader, results
from tests.factories import START, AnomalyFactory, CaseFactory, TransactionFactory
from transactions.api import users
from transactions.api.listings import BEFORE_ALL, USERS_AFTER
from transactions.models import Transaction

pytestmark = pytest.mark.django_db
LIST = BASE + "users/"


@pytest.fixture
def client() -> Client:
    return reader()


def make_users(count: int, payments: int = 2) -> list[UUID]:
    made = sorted(uuid4() for _ in range(count))
    rows = [TransactionFactory.build(user_id=user) for user in made for _ in range(payments)]
    Transaction.objects.bulk_create(rows)
    return made


def test_every_user_comes_once_with_first_and_last_payment(client: Client) -> None:
    made = make_users(3)
    day = timedelta(days=1)
    TransactionFactory(user_id=made[1], txn_date=START - 9 * day)
    TransactionFactory(user_id=made[1], txn_date=START + 99 * day)
    case = CaseFactory(user_id=made[1])
    CaseFactory(user_id=made[2], state="closed")
    listed = results(client, "users/")
    assert [row["user_id"] for row in listed] == [str(user) for user in made]
    assert listed[1] == {
        "user_id": str(made[1]),
        "first_seen": "2024-05-23T12:00:00Z",
        "last_seen": "2024-09-08T12:00:00Z",
        "open_case_id": str(case.id),
    }
    assert listed[2]["open_case_id"] is None


def walk(client: Client, address: str | None, way: str) -> list[list[str]]:
    pages = []
    while address is not None:
        page = client.get(address).json()
        pages.append([row["user_id"] for row in page["results"]])
        address = page[way]
    return pages


def test_the_pages_of_users_lead_there_and_back(client: Client) -> None:
    made = [str(user) for user in make_users(11)]
    there = walk(client, f"{LIST}?limit=4", "next")
    assert there == [made[:4], made[4:8], made[8:]]
    second = client.get(client.get(LIST, {"limit": 4}).json()["next"]).json()
    last = second["next"]
    assert walk(client, last, "previous") == there[::-1]


def test_a_page_of_users_that_have_gone_leads_back_to_what_is_left(client: Client) -> None:
    made = make_users(4)
    onward = client.get(LIST, {"limit": 2}).json()["next"]
    Transaction.objects.filter(user_id__in=made[2:]).delete()
    empty = client.get(onward).json()
    assert empty["results"] == []
    assert walk(client, empty["previous"], "previous") == [[str(user) for user in made[:2]]]


def test_the_list_of_users_takes_no_filters_and_counts_nothing(client: Client) -> None:
    assert faults(client.get(LIST, {"user_id": uuid4(), "count": "estimated"})) == [
        ("user_id", "unknown_parameter"),
        ("count", "unknown_parameter"),
    ]


def test_a_page_of_users_looks_at_a_few_rows_of_each_not_at_all() -> None:
    make_users(20, payments=500)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE transactions")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {USERS_AFTER}", {"start": BEFORE_ALL, "limit": 5})
        plan = cursor.fetchone()[0][0]["Plan"]
    scans = [node for node in nodes(plan) if node.get("Relation Name") == "transactions"]
    assert {node["Node Type"] for node in scans} <= {"Index Only Scan", "Index Scan"}
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in scans) < 30


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(inner for child in plan.get("Plans", ()) for inner in nodes(child))]


def test_a_user_is_summed_up(client: Client) -> None:
    user = uuid4()
    for amount in ("10.00", "30.00", "11.00"):
        TransactionFactory(user_id=user, amount=Decimal(amount), txn_date=START)
    TransactionFactory(user_id=user, currency="JPY", amount=Decimal("5000.00"), txn_date=START + timedelta(days=1))
    case = CaseFactory(user_id=user)
    AnomalyFactory(transaction__user_id=user, transaction__txn_date=START, case=case)
    summary = client.get(f"{LIST}{user}/").json()
    assert summary.pop("open_case")["id"] == str(case.id)
    assert (summary.pop("profile"), len(summary.pop("recent_scores"))) == (None, 5)
    assert summary == {
        "user_id": str(user),
        "first_seen": "2024-06-01T12:00:00Z",
        "last_seen": "2024-06-02T12:00:00Z",
        "transaction_count": 5,
        "count_is_exact": True,
        "currencies": [
            {"currency": "EUR", "payments": 4, "typical_amount": "10.00", "largest_amount": "30.00"},
            {"currency": "JPY", "payments": 1, "typical_amount": "5000.00", "largest_amount": "5000.00"},
        ],
        "anomaly_count": 1,
    }


def test_a_very_busy_user_is_not_counted_to_the_end(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "MOST_COUNTED", 3)
    (user,) = make_users(1, payments=5)
    summary = client.get(f"{LIST}{user}/").json()
    assert (summary["transaction_count"], summary["count_is_exact"]) == (3, False)


def test_a_user_without_transactions_is_a_404(client: Client) -> None:
    make_users(1)
    assert problem(client.get(f"{LIST}{uuid4()}/"), 404)["detail"] == "This user has no transactions."


def test_lists_and_summaries_of_users_cost_a_known_number_of_queries(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    made = make_users(6)
    for limit in (1, 6):
        with django_assert_num_queries(2):
            assert len(results(client, "users/", limit=limit)) == limit
    # Without merchants; the list of references is kept for some seconds, but not in tests.
    with django_assert_num_queries(7):
        assert client.get(f"{LIST}{made[0]}/").status_code == 200
