"""A create that is not scored at once: one statement stores the row, marks its user and gives the answer."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries, Settings

from anomalies.models import PendingScore
from tests.api import BASE, post, problem, writer
from tests.factories import RowFactory
from transactions import intake, rows
from transactions.api.listings import TRANSACTIONS
from transactions.models import Transaction
from transactions.store import Outcome, RefusedByDatabase
from transactions.taken import LATER

NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def _unscored(settings: Settings) -> None:
    settings.LIVE_SCORING = False


def body(**more: Any) -> dict[str, Any]:
    return {
        "user_id": str(uuid4()),
        "amount": "12.50",
        "currency": "EUR",
        "txn_date": NOW.isoformat(),
        "status": "completed",
        "meta_data": {"merchant_id": 7, "b": [1.50, "é"], "a": {}},
        **more,
    }


@pytest.mark.django_db
def test_the_answer_is_what_showing_it_would_say() -> None:
    client: Client = writer()
    made = post(client, "transactions/", body())
    assert made.status_code == 201
    answer = made.json()
    assert answer["unscored"]["code"] == "pending"
    shown = client.get(f"{BASE}transactions/{answer['id']}/").json()
    assert {name: answer[name] for name in shown} == shown
    assert tuple(shown) == TRANSACTIONS.shown
    again = post(client, "transactions/", body(**{name: shown[name] for name in rows.FIELDS}))
    assert (again.status_code, again.json()) == (200, answer)


@pytest.mark.django_db(transaction=True)
def test_it_costs_one_query_and_the_keys_at_its_first_use(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    client = writer()
    for queries in (2, 1, 1):
        with django_assert_num_queries(queries):
            assert post(client, "transactions/", body()).status_code == 201


@pytest.mark.django_db
def test_its_user_waits_from_the_earliest_of_its_rows_on() -> None:
    user = uuid4()
    for hours in (5, 7, 3):
        (taken,) = intake.take([RowFactory(user_id=user, txn_date=NOW - timedelta(hours=hours))])
        assert (taken.outcome, taken.scored) == (Outcome.CREATED, LATER)
    assert PendingScore.objects.get(user_id=user).since == NOW - timedelta(hours=7)


@pytest.mark.django_db
def test_other_content_is_a_conflict_and_marks_nobody() -> None:
    row = RowFactory(amount=Decimal("1.00"))
    intake.take([row])
    PendingScore.objects.all().delete()
    client = writer()
    other = body(id=str(row.id), user_id=str(row.user_id), amount="2.00")
    assert problem(post(client, "transactions/", other), 409)["errors"][0]["pointer"] == "/amount"
    assert not PendingScore.objects.exists()
    assert Transaction.objects.get().amount == Decimal("1.00")


@pytest.mark.django_db
def test_what_the_database_refuses_leaves_nothing_behind() -> None:
    with pytest.raises(RefusedByDatabase):
        intake.take([RowFactory(txn_date=NOW + timedelta(days=3))])
    assert not Transaction.objects.exists()
    assert not PendingScore.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_one_of_many_that_send_the_same_at_once_stores_it() -> None:
    row = RowFactory()

    def send(_: int) -> Outcome:
        try:
            (taken,) = intake.take([row])
            return taken.outcome
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as senders:
        found = list(senders.map(send, range(16)))
    assert sorted(found) == [Outcome.CREATED] + [Outcome.DUPLICATE] * 15
    assert PendingScore.objects.get().user_id == row.user_id
