"""What the API tells of one user beside sums: what is ordinary for him, his latest scores, the case that is open."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

import scoring
from anomalies import references
from tests.api import BASE, problem, reader
from tests.factories import START, CaseFactory, RowFactory, TransactionFactory, VerdictFactory
from tests.transactions import traffic
from transactions import backlog, history, intake, recent
from transactions.models import Transaction
from transactions.rows import Row

pytestmark = pytest.mark.django_db
LIST = BASE + "users/"
DAY = timedelta(days=1)


@pytest.fixture
def client() -> Client:
    return reader()


@pytest.fixture(autouse=True)
def _own_references(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept in memory of an earlier test's references."""
    monkeypatch.setattr(references, "_known", references._Known())


@pytest.fixture
def busiest() -> UUID:
    """The user with most rows of a few weeks of traffic, all of it scored."""
    rows = traffic.rows(scoring.MINIMUM_ROWS * 4, users=60)
    intake.take(rows, score=False)
    assert backlog.score_pending().references > 1
    return max({row.user_id for row in rows}, key=lambda user: sum(row.user_id == user for row in rows))


def summary(client: Client, user: UUID) -> dict[str, Any]:
    response = client.get(f"{LIST}{user}/")
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


def test_the_profile_tells_what_is_ordinary_in_each_currency(client: Client) -> None:
    user = uuid4()
    for day in range(10):
        merchant = {"merchant_id": f"m{day % 4 % 3}"}
        euros = Decimal(day + 1) / 100
        TransactionFactory(user_id=user, amount=euros, txn_date=START + day * DAY, meta_data=merchant)
    for day in range(8):
        TransactionFactory(user_id=user, amount=Decimal(500), currency="JPY", txn_date=START + day * DAY)
    TransactionFactory(user_id=user, amount=Decimal(9999), currency="USD", txn_date=START)
    assert summary(client, user)["profile"] == {
        "payments": 19,
        "since": "2024-06-01T12:00:00Z",
        "every_s": 9 * 86_400 / 18,
        "from_hour": 12,
        "to_hour": 13,
        "amounts": [
            # The median of an even number of amounts lies between two: 0.055, rounded.
            {"currency": "EUR", "payments": 10, "typical_amount": "0.06", "high_amount": "0.10"},
            {"currency": "JPY", "payments": 8, "typical_amount": "500.00", "high_amount": "500.00"},
        ],
        "merchants": [
            {"merchant_id": "m0", "payments": 5},
            {"merchant_id": "m1", "payments": 3},
            {"merchant_id": "m2", "payments": 2},
        ],
        "merchant_count": 3,
    }


def test_of_a_new_user_nothing_is_ordinary_and_no_score_is_invented(client: Client) -> None:
    user = uuid4()
    made = [TransactionFactory(user_id=user) for _ in range(7)]
    told = summary(client, user)
    assert (told["profile"], told["open_case"]) == (None, None)
    assert [(one["transaction_id"], one["score"], one["level"]) for one in told["recent_scores"]] == [
        (str(one.pk), None, None) for one in made[::-1]
    ]
    TransactionFactory(user_id=user)
    assert summary(client, user)["profile"]["payments"] == 8


def test_of_a_user_without_transactions_nothing_is_told_even_with_a_case(client: Client) -> None:
    case = CaseFactory()
    problem(client.get(f"{LIST}{case.user_id}/"), 404)
    problem(client.get(f"{LIST}{uuid4()}/"), 404)


def test_the_latest_scores_are_those_of_their_explanations(client: Client, busiest: UUID) -> None:
    told = summary(client, busiest)["recent_scores"]
    latest = Transaction.objects.filter(user_id=busiest).order_by("-txn_date", "-id")[:20]
    assert [(one["transaction_id"], one["txn_date"]) for one in told] == [
        (str(row.pk), row.txn_date.isoformat().replace("+00:00", "Z")) for row in latest
    ]
    explained = [client.get(f"{BASE}transactions/{one['transaction_id']}/explanation/").json() for one in told]
    assert [one["score"] for one in told] == pytest.approx([one["score"] for one in explained], abs=1e-9)
    assert [one["level"] for one in told] == [one["level"] for one in explained]
    assert len({one["reference_id"] for one in explained}) > 1


def test_rows_before_the_first_reference_have_no_score_beside_those_that_have(client: Client, busiest: UUID) -> None:
    user, first = uuid4(), min(end for _, end in references.built())
    rows = [RowFactory(user_id=user, txn_date=first + timedelta(hours=hour)) for hour in (-2, -1, 0, 1)]
    intake.take(rows, score=False)
    told = summary(client, user)["recent_scores"]
    assert [one["transaction_id"] for one in told] == [str(row.id) for row in rows[::-1]]
    assert [one["score"] is None for one in told] == [False, False, True, True]


def test_a_strange_payment_shows_in_the_latest_scores(client: Client, busiest: UUID) -> None:
    last = Transaction.objects.filter(user_id=busiest).latest("txn_date")
    row: Row = RowFactory(user_id=busiest, txn_date=last.txn_date + DAY)
    intake.take([replace(row, amount=Decimal("99999.00"))])
    told = summary(client, busiest)
    assert told["recent_scores"][0]["transaction_id"] == str(row.id)
    assert told["recent_scores"][0]["level"] in ("medium", "high")
    assert told["open_case"]["state"] == "open"
    assert told["open_case"]["priority"] == pytest.approx(told["recent_scores"][0]["score"])


def test_verdicts_given_or_withdrawn_change_nothing_of_it(client: Client, busiest: UUID) -> None:
    before = summary(client, busiest)
    row = Transaction.objects.filter(user_id=busiest).latest("txn_date")
    VerdictFactory(transaction=row)
    VerdictFactory(transaction=row, value="withdrawn")
    assert summary(client, busiest) == before


def test_of_many_rows_at_one_instant_only_the_latest_are_read() -> None:
    user = uuid4()
    Transaction.objects.bulk_create(TransactionFactory.build(user_id=user, txn_date=START) for _ in range(900))
    past = history.latest(user, 20)
    assert (len(past), int(past.wanted.sum())) == (20 + scoring.HISTORY_ROWS, 20)
    newest = Transaction.objects.filter(user_id=user).order_by("-id").values_list("id", flat=True)
    assert [one.transaction_id for one in recent.scores(user)] == list(newest[:20])
    assert len(recent.payments(user)) == recent.PROFILE_ROWS


def test_a_summary_costs_the_same_queries_for_few_rows_and_many(
    client: Client, busiest: UUID, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    few = uuid4()
    last = Transaction.objects.latest("txn_date").txn_date
    TransactionFactory(user_id=few, txn_date=last, meta_data={"merchant_id": "m1"})
    for user in (few, busiest):
        summary(client, user)  # References are read once a process.
        with django_assert_num_queries(8):
            summary(client, user)
