"""Walking the pages of a list: every row that was there throughout comes exactly once, in both directions."""

import base64
import random
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client

from anomalies.api.listing import Condition, Position
from tests.api import BASE, faults, problem, reader
from tests.factories import START, USER, TransactionFactory
from transactions.api.listings import TRANSACTIONS
from transactions.models import Transaction

pytestmark = pytest.mark.django_db
LIST = BASE + "transactions/"
OF_USER = Condition("user_id", "exact", USER)


def make(count: int, **fields: Any) -> list[Transaction]:
    return Transaction.objects.bulk_create(TransactionFactory.build_batch(count, **fields))


def make_anywhere(count: int) -> list[Transaction]:
    """Rows of one instant whose ids fall anywhere among the others."""
    rows = [TransactionFactory.build(txn_date=START, id=uuid4()) for _ in range(count)]
    return Transaction.objects.bulk_create(rows)


# One user's rows, a minute apart, among those of 200 others, in the order in which they happened.
CROWD = """
    INSERT INTO transactions (id, user_id, amount, currency, txn_date, status)
    SELECT gen_random_uuid(), CASE WHEN mod(n, 20) = 0 THEN %(user)s ELSE md5(mod(n, 199)::text)::uuid END,
           n, 'EUR', %(start)s + n * interval '3 seconds', 'completed'
    FROM generate_series(0, 39999) AS n
"""


def make_crowd() -> None:
    with connection.cursor() as cursor:
        cursor.execute(CROWD, {"user": USER, "start": START})
        cursor.execute("ANALYZE transactions")


def pages(client: Client, address: str | None, way: str = "next") -> Any:
    """The pages from an address on, as lists of ids."""
    while address is not None:
        page = client.get(address).json()
        yield [row["id"] for row in page["results"]]
        address = page[way]


def test_no_row_is_lost_or_repeated_among_3000_at_one_instant_while_others_come_and_go() -> None:
    client, chance = reader(), random.Random(7)
    made = make_anywhere(3000)
    passing = {one.id for one in chance.sample(made, 600)}
    throughout = {str(one.id) for one in made} - {str(one) for one in passing}
    seen: list[str] = []
    going = list(passing)
    for page in pages(client, f"{LIST}?user_id={USER}&limit=97"):
        seen += page
        Transaction.objects.filter(pk__in=[going.pop() for _ in range(min(20, len(going)))]).delete()
        make_anywhere(20)
    assert len(seen) == len(set(seen))
    assert throughout <= set(seen)


def test_walking_back_gives_the_same_pages() -> None:
    client = reader()
    make(250, txn_date=START)
    make(53)
    first = f"{LIST}?user_id={USER}&limit=50"
    there = list(pages(client, first))
    address = first
    while (further := client.get(address).json()["next"]) is not None:
        address = further
    assert list(pages(client, address, "previous")) == there[::-1]
    assert [len(page) for page in there] == [50] * 6 + [3]


def test_the_first_page_has_no_previous_and_the_last_no_next() -> None:
    client = reader()
    make(4)
    page = client.get(LIST, {"limit": 2}).json()
    assert page["previous"] is None
    last = client.get(page["next"]).json()
    assert last["next"] is None
    back = client.get(last["previous"]).json()
    assert back["results"] == page["results"]
    assert back["previous"] is None


def test_a_page_whose_rows_have_gone_leads_back_to_what_is_left() -> None:
    client = reader()
    newest_first = sorted(make(4), key=lambda one: one.txn_date, reverse=True)
    onward = client.get(LIST, {"limit": 2}).json()["next"]
    Transaction.objects.filter(pk__in=[one.pk for one in newest_first[2:]]).delete()
    empty = client.get(onward).json()
    assert (empty["results"], empty["next"]) == ([], None)
    left = client.get(empty["previous"]).json()
    assert [row["id"] for row in left["results"]] == [str(one.id) for one in newest_first[:2]]


def test_a_cursor_keeps_microseconds() -> None:
    client = reader()
    make(5, txn_date=START.replace(microsecond=999_999))
    make(5, txn_date=START.replace(microsecond=999_998))
    assert sum(map(len, pages(client, f"{LIST}?limit=3"))) == 10


def test_a_cursor_may_change_its_limit_but_not_its_query() -> None:
    client = reader()
    make(6)
    cursor = client.get(LIST, {"limit": 2, "user_id": USER}).json()["next"].rpartition("cursor=")[2]
    assert client.get(LIST, {"limit": 4, "user_id": USER, "cursor": cursor}).json()["next"] is None
    for other in ({}, {"user_id": uuid4()}, {"user_id": USER, "currency": "EUR"}, {"user_id": str(USER).upper()}):
        assert faults(client.get(LIST, {**other, "cursor": cursor})) == [("cursor", "invalid")]
    assert faults(client.get(f"{BASE}anomalies/", {"user_id": USER, "cursor": cursor})) == [("cursor", "invalid")]


def test_a_cursor_that_was_tampered_with_is_refused() -> None:
    client = reader()
    make(3)
    cursor = client.get(LIST, {"limit": 1}).json()["next"].rpartition("cursor=")[2]
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for place in range(len(cursor)):
        other = letters[(letters.index(cursor[place]) + 1) % 64]
        changed = cursor[:place] + other + cursor[place + 1 :]
        assert faults(client.get(LIST, {"cursor": changed})) == [("cursor", "invalid")]
    for changed in (cursor[:-1], cursor + "A", cursor + "=", cursor + "!", "é", "A" * 5000, "AAAA"):
        assert faults(client.get(LIST, {"cursor": changed})) == [("cursor", "invalid")]


def test_a_cursor_tells_nothing_that_can_be_forged_without_the_secret() -> None:
    client = reader()
    forged = base64.urlsafe_b64encode(b'[1,false,false,"2024-06-01T12:00:00Z","x"]' + b"0" * 16).decode().rstrip("=")
    assert problem(client.get(LIST, {"cursor": forged}), 400)["detail"] == "A query parameter is wrong."


@pytest.mark.parametrize(("conditions", "index"), [((), "ix_transaction_date"), ((OF_USER,), "ix_user_date_amount_id")])
@pytest.mark.parametrize("backward", [False, True])
def test_a_page_is_read_in_the_order_of_an_index(conditions: tuple[Condition, ...], index: str, backward: bool) -> None:
    make_crowd()
    ordering, place = TRANSACTIONS.orderings["newest"], Position((START + timedelta(hours=16), UUID(int=0)), backward)
    statement, bound = TRANSACTIONS.where(*conditions).statement(ordering, place, 100)
    with connection.cursor() as cursor:
        # A table this small is read faster as a whole.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {statement}", bound)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert index in plan
    assert "Sort" not in plan


@pytest.mark.parametrize("backward", [False, True])
def test_a_deep_page_reads_the_index_from_the_cursor_on(backward: bool) -> None:
    """Without the range condition beside the OR, the index is read from its beginning to the cursor."""
    make_crowd()
    place = Position((START + timedelta(minutes=1000), UUID(int=0)), backward)
    ordering = TRANSACTIONS.orderings["newest"]
    statement, values = TRANSACTIONS.where(OF_USER).statement(ordering, place, 100)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values)
        plan = cursor.fetchone()[0][0]["Plan"]
    scan = plan["Plans"][0]
    assert scan["Index Name"] == "ix_user_date_amount_id"
    assert "txn_date" in scan["Index Cond"]
    assert scan.get("Rows Removed by Filter", 0) <= 1
