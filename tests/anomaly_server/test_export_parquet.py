"""A list as a Parquet file: its rows, each column with its own type, in row groups of which one is held at a time."""

import json
import sys
import tracemalloc
from decimal import Decimal
from io import BytesIO
from typing import Any
from uuid import UUID

import pyarrow
import pytest
from django.db import connection
from django.test import Client
from pyarrow import parquet

from anomalies.api import exporting
from anomalies.api import parquet as ours
from tests.anomaly_server.test_export import LISTS, MANY, USER, exported, make_some
from tests.api import BASE, problem, reader, results
from tests.factories import TransactionFactory
from transactions.models import Transaction

pytestmark = pytest.mark.django_db
UTC_MICROSECONDS = pyarrow.timestamp("us", tz="UTC")


@pytest.fixture
def client() -> Client:
    return reader()


def table_of(client: Client, name: str, **parameters: str) -> Any:
    return parquet.read_table(BytesIO(exported(client, f"{name}/export/", **parameters, **{"as": "parquet"})))


def as_json(value: Any) -> Any:
    """A value of the file as the list's JSON has it."""
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat") else value


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("query", [{}, {"user_id": str(USER)}, {"user_id": str(UUID(int=404))}])
def test_it_has_the_rows_of_the_list(
    client: Client, monkeypatch: pytest.MonkeyPatch, name: str, query: dict[str, str]
) -> None:
    monkeypatch.setattr(exporting, "ROWS_AT_ONCE", 3)
    make_some()
    listed = results(client, f"{name}/", **query)
    table = table_of(client, name, **query)
    assert table.num_rows == len(listed)
    for written, row in zip(table.to_pylist(), listed, strict=True):
        assert list(written) == list(row)
        for field, value in row.items():
            is_text = isinstance(value, dict | list)
            assert (json.loads(written[field]) if is_text else as_json(written[field])) == value


def test_columns_have_their_own_types(client: Client) -> None:
    TransactionFactory(amount=Decimal("999999999999999999.99"), meta_data={"n": 1, "a": "=1+1"})
    table = table_of(client, "transactions")
    types = {field.name: field.type for field in table.schema}
    assert types["amount"] == pyarrow.decimal128(20, 2)
    assert types["txn_date"] == types["received_at"] == UTC_MICROSECONDS
    assert types["id"] == types["meta_data"] == types["merchant_id"] == pyarrow.string()
    (row,) = table.to_pylist()
    assert row["amount"] == Decimal("999999999999999999.99")
    assert json.loads(row["meta_data"]) == {"n": 1, "a": "=1+1"}
    assert row["merchant_id"] is None
    anomalies = {field.name: field.type for field in table_of(client, "anomalies").schema}
    assert (anomalies["amount"], anomalies["score"]) == (pyarrow.decimal128(20, 2), pyarrow.float64())
    assert {field.name: field.type for field in table_of(client, "cases").schema}["anomaly_count"] == pyarrow.int64()


def test_fields_and_order_are_those_asked_for(client: Client) -> None:
    make_some()
    table = table_of(client, "anomalies", fields="score,transaction_id", ordering="score")
    assert table.column_names == ["score", "transaction_id"]
    assert table.to_pylist() == results(client, "anomalies/", fields="score,transaction_id", ordering="score")


def test_without_pyarrow_it_says_what_to_install(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    found = problem(client.get(f"{BASE}transactions/export/?as=parquet"), 400)
    ((error),) = found["errors"]
    assert (error["pointer"], error["code"]) == ("as", "not_installed")
    assert "requirements-parquet.txt" in error["detail"]
    assert exported(client, "transactions/export/", **{"as": "ndjson"}) == b""


def test_it_is_made_row_group_by_row_group_in_memory_that_does_not_grow(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours, "GROUP_ROWS", 2_000)
    peaks = []
    for rows in (5_000, 15_000):
        with connection.cursor() as cursor:
            cursor.execute(MANY, [USER, Transaction.objects.count(), rows])
        tracemalloc.start()
        before = pyarrow.total_allocated_bytes()
        response: Any = client.get(f"{BASE}transactions/export/?as=parquet")
        parts, most = [], 0
        for part in response.streaming_content:
            parts.append(part)
            most = max(most, pyarrow.total_allocated_bytes() - before)
        peaks.append(tracemalloc.get_traced_memory()[1] - sum(map(len, parts)) + most)
        tracemalloc.stop()
        file = parquet.ParquetFile(BytesIO(b"".join(parts)))
        assert file.metadata.num_rows == rows
        assert file.metadata.num_row_groups == len(parts) == -(-rows // 2_000)
    assert peaks[1] < 1.3 * peaks[0]
