"""The list of transactions: what it shows, what it can be asked for, what it refuses."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import orjson
import pytest
from django.db import connection
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from tests.api import BASE, faults, problem, reader, results
from tests.factories import START, USER, TransactionFactory
from transactions.api.listings import TRANSACTIONS
from transactions.api.serializers import TransactionSerializer
from transactions.models import Transaction

pytestmark = pytest.mark.django_db
LIST = BASE + "transactions/"


@pytest.fixture
def client() -> Client:
    return reader()


def ids(rows: list[dict[str, object]]) -> list[str]:
    return [str(row["id"]) for row in rows]


def test_the_latest_comes_first_and_equal_times_are_ordered_by_id(client: Client) -> None:
    tied = [TransactionFactory(id=UUID(int=number), txn_date=START) for number in (3, 1, 2)]
    later = TransactionFactory(txn_date=START + timedelta(days=1))
    assert ids(results(client, "transactions/")) == [str(later.id), *sorted(str(one.id) for one in tied)]


def test_a_row_is_what_the_declared_serializer_says(client: Client) -> None:
    """The list is rendered past the serializer, for speed; it must not be another contract."""
    TransactionFactory(amount=Decimal("12.30"), meta_data={"merchant_id": "m-1", "ö": [1, None, {"x": "\u2028"}]})
    TransactionFactory(amount=Decimal("999999999999999999.99"), txn_date=START.replace(microsecond=120))
    TransactionFactory(amount=Decimal("0.00"), meta_data={})
    stored = Transaction.objects.order_by("-txn_date", "id")
    declared = orjson.loads(orjson.dumps(TransactionSerializer(stored, many=True).data))
    assert results(client, "transactions/") == declared
    assert client.get(f"{LIST}{stored[0].pk}/").json() == declared[0]


def test_a_number_in_meta_data_keeps_every_digit(client: Client) -> None:
    digits = "12345678901234567890.12345678901234567890"
    TransactionFactory()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE transactions SET meta_data = %s", [f'{{"n": {digits}}}'])
    assert digits.encode() in client.get(LIST).content


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"user_id": str(USER)}, "abc"),
        ({"user_id": USER.hex}, "abc"),
        ({"from_date": "2024-06-02T00:00:00Z"}, "bcd"),
        ({"from_date": "2024-06-02"}, "bcd"),
        ({"from_date": "2024-06-02T02:00:00+02:00"}, "bcd"),
        ({"to_date": "2024-06-02"}, "ab"),
        ({"to_date": "2024-06-01T23:59:59.999999Z"}, "a"),
        ({"from_date": "2024-06-02", "to_date": "2024-06-02"}, "b"),
        ({"min_amount": "20"}, "bcd"),
        ({"min_amount": "20.01"}, "cd"),
        ({"max_amount": "20.00"}, "ab"),
        ({"min_amount": "20", "max_amount": "30", "user_id": str(USER)}, "bc"),
        ({"currency": "USD"}, "b"),
        ({"status": "failed"}, "c"),
        ({"merchant_id": "m & ü"}, "d"),
        ({"merchant_id": "m"}, ""),
    ],
)
def test_a_filter_keeps_what_it_says(client: Client, parameters: dict[str, str], expected: str) -> None:
    day = timedelta(days=1)
    midnight = START.replace(hour=0)
    made = {
        "a": TransactionFactory(txn_date=midnight, amount=10),
        "b": TransactionFactory(txn_date=midnight + day, amount=20, currency="USD"),
        "c": TransactionFactory(txn_date=midnight + 2 * day, amount=30, status="failed"),
        "d": TransactionFactory(
            txn_date=midnight + 3 * day, amount=40, user_id=uuid4(), meta_data={"merchant_id": "m & ü"}
        ),
    }
    assert set(ids(results(client, "transactions/", **parameters))) == {str(made[name].id) for name in expected}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("user=1", [("user", "unknown_parameter")]),
        ("user_id=1&colour=red", [("user_id", "invalid"), ("colour", "unknown_parameter")]),
        ("user_id=", [("user_id", "invalid")]),
        ("user_id", [("user_id", "invalid")]),
        ("limit=0", [("limit", "invalid")]),
        ("limit=1001", [("limit", "invalid")]),
        ("limit=-1", [("limit", "invalid")]),
        ("limit=1e2", [("limit", "invalid")]),
        ("limit=%D9%A3", [("limit", "invalid")]),
        ("limit=" + "9" * 5000, [("limit", "invalid")]),
        ("limit=5&limit=6", [("limit", "repeated")]),
        ("min_amount=NaN", [("min_amount", "invalid")]),
        ("min_amount=-1", [("min_amount", "invalid")]),
        ("min_amount=1e3", [("min_amount", "invalid")]),
        ("max_amount=" + "9" * 400, [("max_amount", "invalid")]),
        ("from_date=yesterday", [("from_date", "invalid")]),
        ("from_date=2024-02-30", [("from_date", "invalid")]),
        ("from_date=0000-01-01", [("from_date", "invalid")]),
        ("from_date=2024-06-01T00:00:00", [("from_date", "invalid")]),
        ("from_date=2024-06-01T00:00:00+02:00", [("from_date", "invalid")]),
        ("from_date=9999-12-31T23:59:59-01:00", [("from_date", "invalid")]),
        ("to_date=infinity", [("to_date", "invalid")]),
        ("currency=eur", [("currency", "invalid")]),
        ("status=Done", [("status", "invalid")]),
        ("merchant_id=%00", [("merchant_id", "invalid")]),
        ("merchant_id=", [("merchant_id", "invalid")]),
        ("merchant_id=" + "m" * 300, [("merchant_id", "invalid")]),
        ("count=exact", [("count", "invalid")]),
        ("cursor=", [("cursor", "invalid")]),
        ("cursor=abc", [("cursor", "invalid")]),
        ("format=json", [("format", "unknown_parameter")]),
        ("merchant_id=%FF", []),
        ("merchant_id=%ED%A0%80", []),
        ("&".join(f"p{number}=1" for number in range(60)), []),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(client: Client, query: str, expected: list[tuple[str, str]]) -> None:
    assert faults(client.get(f"{LIST}?{query}")) == expected


def test_bytes_that_are_not_ascii_in_the_query_are_refused(client: Client) -> None:
    assert problem(client.get(LIST, QUERY_STRING="merchant_id=\xfc"), 400)["errors"] == []


def test_a_whole_day_at_the_end_of_time_is_a_filter_like_any_other(client: Client) -> None:
    assert results(client, "transactions/", from_date="0001-01-01", to_date="9999-12-31") == []


def test_a_detail_takes_no_parameters(client: Client) -> None:
    row = TransactionFactory()
    assert faults(client.get(f"{LIST}{row.id}/?fields=id")) == [("fields", "unknown_parameter")]


def test_the_envelope_has_no_count_unless_asked(client: Client) -> None:
    TransactionFactory()
    assert client.get(LIST).json().keys() == {"next", "previous", "results"}
    counted = client.get(LIST, {"count": "estimated"}).json()
    assert isinstance(counted["count"], int)
    assert counted["count"] >= 1


def test_no_cache_on_the_way_may_keep_an_answer(client: Client) -> None:
    assert client.get(LIST)["Cache-Control"] == "private, no-cache"
    assert client.get(LIST, {"limit": 0})["Cache-Control"] == "private, no-cache"


def test_the_limit_is_100_unless_asked(client: Client) -> None:
    TransactionFactory.create_batch(101)
    assert len(results(client, "transactions/")) == 100
    assert len(results(client, "transactions/", limit=101)) == 101


def test_a_page_costs_one_query_however_long_once_the_key_is_known(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    TransactionFactory.create_batch(30)
    # The key with its owner, and the page; then both in one.
    for limit, queries in ((1, 2), (1, 1), (20, 1)):
        with django_assert_num_queries(queries):
            assert len(results(client, "transactions/", user_id=USER, limit=limit)) == limit


def test_a_detail_costs_two_queries(client: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    row = TransactionFactory()
    with django_assert_num_queries(2):
        assert client.get(f"{LIST}{row.id}/").json()["id"] == str(row.id)


@pytest.mark.parametrize("path", [f"transactions/{UUID(int=7)}/", f"transactions/{UUID(int=7)}/explanation/"])
def test_what_is_not_there_is_a_404(client: Client, path: str) -> None:
    assert problem(client.get(BASE + path), 404)["detail"] == "There is no such transaction."


def test_each_value_of_a_transaction_is_shown_under_its_own_name() -> None:
    named = {name: f'"{name}"' if name == "meta_data" else name for name in TRANSACTIONS.columns}
    (shown,) = TRANSACTIONS.presented([tuple(named.values())])
    assert orjson.loads(orjson.dumps(shown)) == {name: name for name in TRANSACTIONS.columns}
    assert tuple(shown) == TRANSACTIONS.columns
