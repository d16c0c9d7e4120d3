"""Rows that are stored while they are checked: all of them, or none and somebody looks again."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from anomalies.models import PendingScore
from tests.api import BASE, writer
from tests.factories import RowFactory
from tests.transactions.test_store import ended_in_a_deadlock
from transactions import copying, lines, store
from transactions.models import Transaction
from transactions.rows import Row

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def lucky(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying._Luck, "pauses", 0)


def pieces(*batches: list[Row]) -> list[lines.Lines]:
    return [lines.of(batch) for batch in batches]


def test_all_are_stored_as_they_are() -> None:
    rows = RowFactory.build_batch(7, meta_data='{"a":"\\\\ \\n \\" é \\\\N","b":[1.50]}', status="null")
    assert copying.take_new(pieces(rows[:3], rows[3:]))
    assert [one.outcome for one in store.write(rows)] == ["duplicate"] * 7


@pytest.mark.parametrize("known_at", [0, 3])
def test_one_known_row_takes_all_back(known_at: int) -> None:
    rows = RowFactory.build_batch(4)
    store.write([rows[known_at]])
    made = iter(pieces(rows[:2], rows[2:]))
    assert not copying.take_new(made)
    assert list(made) == []
    assert Transaction.objects.count() == 1


def test_after_a_known_row_it_is_not_tried_for_a_while() -> None:
    rows = RowFactory.build_batch(2)
    copying.take_new(pieces(rows))
    copying.take_new(pieces(rows))
    found = [copying.take_new(pieces([RowFactory()])) for _ in range(copying.PAUSES + 2)]
    assert found == [False] * copying.PAUSES + [True] * 2


def test_what_a_constraint_refuses_takes_all_back_and_bodes_no_ill() -> None:
    later = datetime.now(UTC) + timedelta(days=7)
    assert not copying.take_new(pieces([RowFactory(), RowFactory(txn_date=later)]))
    assert not Transaction.objects.exists()
    assert copying.take_new(pieces([RowFactory()]))


def test_a_fault_in_making_the_rows_stores_none() -> None:
    def broken() -> Iterator[lines.Lines]:
        yield from pieces([RowFactory()])
        raise LookupError

    with pytest.raises(LookupError), transaction.atomic():
        copying.take_new(broken())
    assert not Transaction.objects.exists()


@pytest.fixture
def client() -> Client:
    return writer()


def body(count: int) -> str:
    plain = {"amount": "1.00", "currency": "EUR", "txn_date": "2024-06-01T12:00:00Z", "status": "completed"}
    rows = [{"id": str(uuid4()), "user_id": str(uuid4()), **plain, "meta_data": {"x": "y" * 200}} for _ in range(count)]
    return json.dumps(rows)


def test_a_bulk_of_new_rows_is_not_staged(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    text = body(500)
    # Who asks, and the limit; then COPY and the marks, and the savepoint that the test's transaction makes of theirs.
    with django_assert_max_num_queries(6) as asked:
        answer = client.post(f"{BASE}transactions/bulk/", text, "application/json")
    assert answer.json()["created"] == 500
    assert not [one for one in asked.captured_queries if "staged_transactions" in one["sql"]]
    assert PendingScore.objects.count() == 500


def test_a_bulk_with_one_bad_row_and_one_known_is_answered_row_by_row(client: Client) -> None:
    rows = json.loads(body(400))
    client.post(f"{BASE}transactions/", rows[399], "application/json")
    rows[7]["amount"] = "-1"
    results = client.post(f"{BASE}transactions/bulk/", json.dumps(rows), "application/json").json()["results"]
    assert [one["status"] for one in results] == ["created"] * 7 + ["rejected"] + ["created"] * 391 + ["duplicate"]
    assert Transaction.objects.count() == 399


# Several sessions.


@pytest.mark.django_db(transaction=True)
def test_who_is_ended_in_a_deadlock_says_that_nothing_was_stored() -> None:
    def copy_both(first: Row, second: Row) -> bool:
        with transaction.atomic():
            return copying.take_new(pieces([first], [second]))

    taken, rows = ended_in_a_deadlock(copy_both)
    assert not taken
    assert Transaction.objects.filter(pk__in=[row.id for row in rows]).count() == 2
