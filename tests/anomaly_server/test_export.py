"""A list as one file: every row of the walk and no other, in little memory, and no formula for a spreadsheet."""

import csv
import json
import tracemalloc
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from django.test import Client
from pytest_django.fixtures import Settings

from anomalies.api import exporting
from anomalies.api.listings import VERDICTS
from anomalies.api.views import VerdictViewSet
from tests.api import BASE, client_of, faults, problem, reader, results, used_key
from tests.factories import START, AnomalyFactory, CaseFactory, TransactionFactory, VerdictFactory
from transactions.models import ApiKey, ApiKeyMinute, Transaction

USER = UUID(int=1)
LISTS = ("transactions", "anomalies", "cases", "verdicts")
REASON = {"code": "amount_over_median", "group": "own_amount", "contribution": 3.25, "observed": 9.0, "expected": 1.0}
VALUES = {"amount": 9.0, "median": 1.0, "deviation": 1.0, "payments": 9.0, "ratio": 9.0, "times": 8.0}
FORMULAS = ('=HYPERLINK("http://x","y")', "+1+1", "-2+3", "@SUM(A1)", "\tx", "\rx", "\n=1", "\uff1d1+1")

MANY = """
    INSERT INTO transactions (id, user_id, amount, currency, txn_date, status, meta_data)
    SELECT md5(n::text)::uuid, %s, n, 'EUR', '2024-01-01Z'::timestamptz + n * interval '1 s', 'completed', '{}'
    FROM generate_series(%s::int + 1, %s::int) AS n
"""


@pytest.fixture
def client() -> Client:
    return reader()


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "ROWS_AT_ONCE", 3)


def exported(client: Client, path: str, **parameters: str) -> bytes:
    response: Any = client.get(BASE + path, parameters)
    assert response.status_code == 200, response.content
    return b"".join(response.streaming_content)


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(content.decode(), newline="")))


def make_some() -> None:
    for number in range(7):
        # Instants that tie across pages.
        row = TransactionFactory(user_id=USER, txn_date=START, meta_data={"merchant_id": f"m {number}, é", "n": 1})
        case = CaseFactory(user_id=UUID(int=number + 1))
        AnomalyFactory(transaction=row, case=case, reasons=[{**REASON, "values": VALUES}])
        VerdictFactory(transaction=row, note='a "note",\nof two lines')
    TransactionFactory(user_id=UUID(int=2))


@pytest.mark.django_db
@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("query", [{}, {"user_id": str(USER)}, {"user_id": str(UUID(int=404))}])
def test_ndjson_has_the_rows_of_the_list(client: Client, name: str, query: dict[str, str]) -> None:
    make_some()
    lines = exported(client, f"{name}/export/", **query, **{"as": "ndjson"}).splitlines()
    assert [json.loads(line) for line in lines] == results(client, f"{name}/", **query)


@pytest.mark.django_db
@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("name", LISTS)
def test_csv_has_the_rows_of_the_list(client: Client, name: str) -> None:
    make_some()
    listed = results(client, f"{name}/")
    found = rows_of(exported(client, f"{name}/export/"))
    assert len(found) == len(listed) >= 7
    for written, row in zip(found, listed, strict=True):
        assert list(written) == list(row)
        for field, value in row.items():
            is_text = value is None or isinstance(value, str)
            assert (written[field] if is_text else json.loads(written[field])) == (value if value is not None else "")


@pytest.mark.django_db
@pytest.mark.usefixtures("small_pages")
def test_order_and_fields_are_those_asked_for(client: Client) -> None:
    make_some()
    asked = {"ordering": "score", "fields": "score,transaction_id"}
    lines = exported(client, "anomalies/export/", **asked, **{"as": "ndjson"}).splitlines()
    assert [json.loads(line) for line in lines] == results(client, "anomalies/", **asked)
    assert exported(client, "anomalies/export/", **asked).startswith(b"score,transaction_id\r\n")


@pytest.mark.django_db
def test_an_empty_list_is_a_file_without_rows(client: Client) -> None:
    assert exported(client, "verdicts/export/", **{"as": "ndjson"}) == b""
    assert exported(client, "verdicts/export/", fields="id,note") == b"id,note\r\n"


@pytest.mark.django_db
@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula(client: Client, text: str) -> None:
    payment = TransactionFactory(meta_data={"merchant_id": text})
    VerdictFactory(transaction=payment, note=text)
    (row,) = rows_of(exported(client, "transactions/export/"))
    assert row["merchant_id"] == "'" + text
    (verdict,) = rows_of(exported(client, "verdicts/export/"))
    assert verdict["note"] == "'" + text
    line = json.loads(exported(client, "transactions/export/", **{"as": "ndjson"}))
    assert line["merchant_id"] == text


@pytest.mark.django_db
def test_it_says_what_file_it_is(client: Client) -> None:
    kinds = {
        "csv": "text/csv; charset=utf-8; header=present",
        "ndjson": "application/x-ndjson",
        "parquet": "application/vnd.apache.parquet",
    }
    for kind, media_type in kinds.items():
        for accepted in ("*/*", media_type.partition(";")[0], "application/json"):
            response: Any = client.get(f"{BASE}cases/export/?as={kind}", headers={"Accept": accepted})
            assert response.status_code == 200
            b"".join(response.streaming_content)
            assert response["Content-Type"] == media_type
            assert response["Content-Disposition"] == f'attachment; filename="cases.{kind}"'
            assert response["Cache-Control"] == "private, no-cache"


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["limit=10", "cursor=x", "count=estimated", "as=xlsx", "colour=red", "fields=colour"])
def test_what_chooses_a_page_is_no_parameter_of_it(client: Client, query: str) -> None:
    ((name, _),) = faults(client.get(f"{BASE}transactions/export/?{query}"))
    assert name == query.partition("=")[0]


@pytest.mark.django_db
def test_it_needs_the_lists_scope_and_counts_as_one_request() -> None:
    TransactionFactory.create_batch(3)
    problem(client_of(used_key("users:read")).get(f"{BASE}transactions/export/"), 403)
    client = client_of(used_key("transactions:read"))
    ApiKey.objects.update(rate_limit=1)
    assert len(rows_of(exported(client, "transactions/export/"))) == 3
    problem(client.get(f"{BASE}transactions/export/"), 429)
    assert ApiKeyMinute.objects.get().taken >= 1


@pytest.mark.django_db(transaction=True)
def test_what_is_exported_can_be_loaded_again(client: Client, tmp_path: Path) -> None:
    TransactionFactory.create_batch(5)
    TransactionFactory(meta_data={"merchant_id": "=1+1", "note": "é\n"})
    fields = "id,user_id,amount,currency,txn_date,status,meta_data"
    before = results(client, "transactions/", fields=fields)
    for kind in ("csv", "ndjson"):
        path = tmp_path / f"back.{kind}"
        path.write_bytes(exported(client, "transactions/export/", fields=fields, **{"as": kind}))
        Transaction.objects.all().delete()
        call_command("load_data", str(path), "--no-score", stdout=StringIO(), stderr=StringIO())
        assert results(client, "transactions/", fields=fields) == before
    assert len(before) == 6


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("small_pages")
def test_whoever_goes_away_ends_it_and_nothing_is_held_meanwhile(client: Client) -> None:
    TransactionFactory.create_batch(10)
    response: Any = client.get(f"{BASE}transactions/export/?as=ndjson")
    content = response.streaming_content
    assert next(content).count(b"\n") == 3
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
        )
        assert cursor.fetchone() == (0,)
    response.close()
    assert list(content) == []


@pytest.mark.django_db
def test_the_time_limit_for_statements_is_not_its(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    VerdictFactory()
    slow = {"note": "note || (SELECT '!' FROM pg_sleep(0.3))"}
    monkeypatch.setattr(VerdictViewSet, "listing", replace(VERDICTS, expressions={**VERDICTS.expressions, **slow}))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '100ms'")
        with pytest.raises(OperationalError), transaction.atomic():
            cursor.execute("SELECT pg_sleep(0.3)")
    (row,) = rows_of(exported(client, "verdicts/export/"))
    assert row["note"].endswith("!")


@pytest.mark.django_db
def test_memory_does_not_grow_with_the_list(client: Client) -> None:
    peaks = []
    for rows in (5_000, 15_000):
        with connection.cursor() as cursor:
            cursor.execute(MANY, [USER, Transaction.objects.count(), rows])
        tracemalloc.start()
        response: Any = client.get(f"{BASE}transactions/export/?as=ndjson")
        assert sum(part.count(b"\n") for part in response.streaming_content) == rows
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


@pytest.mark.django_db
@pytest.mark.parametrize(("threads", "at_a_time"), [(1, 1), (2, 1), (4, 2), (7, 3)])
def test_half_of_the_threads_are_kept_for_other_requests(
    threads: int, at_a_time: int, client: Client, settings: Settings
) -> None:
    settings.WEB_THREADS = threads
    path = f"{BASE}transactions/export/"
    under_way: list[Any] = [client.get(path) for _ in range(at_a_time)]
    assert {response.status_code for response in under_way} == {200}
    refused = client.get(path)
    assert problem(refused, 503)["type"].endswith(":too_many_exports")
    assert refused["Retry-After"] == "5"
    assert results(client, "transactions/") == []
    b"".join(under_way.pop().streaming_content)
    assert client.get(path).status_code == 200


@pytest.mark.django_db
def test_an_export_that_fails_or_is_left_takes_no_place(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"{BASE}transactions/export/"
    with monkeypatch.context() as patch:
        patch.setattr(exporting, "ROWS_AT_ONCE", 1 << 63)
        assert all(problem(client.get(path), 400) for _ in range(3))
    assert not exporting.Export.under_way
    for _ in range(3):
        response: Any = client.get(path)
        assert next(response.streaming_content)
        response._iterator.close()  # Where Django's client closes the response as a server would.
    assert not exporting.Export.under_way
