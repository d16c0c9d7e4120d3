"""The Python client's CSV, there and back, against the real server."""

import csv
import json
from dataclasses import replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from io import StringIO
from pathlib import Path
from socket import SHUT_RDWR
from uuid import UUID

import pytest
from anomaly_client import Client, Conflict, Invalid, NewTransaction, NotAllowed, Unreachable, tables

from tests.contract.conftest import Served
from tests.contract.payments import new, series
from tests.contract.proxies import Gone, answering, spoiled

FIELDS = ("id", "user_id", "amount", "currency", "txn_date", "status", "meta_data")
PATH = "/api/v1/transactions/bulk/"


def table(rows: list[NewTransaction], *, without: tuple[str, ...] = ()) -> StringIO:
    text = StringIO(newline="")
    writer = csv.DictWriter(text, [name for name in FIELDS if name not in without], extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        body = row.body()
        writer.writerow({**body, "meta_data": json.dumps(body["meta_data"])})
    text.seek(0)
    return text


class TestBulk:
    def test_a_table_is_stored_row_by_row(self, client: Client, tmp_path: Path) -> None:
        known = new()
        client.create(known)
        first = new(amount=Decimal("123456789012345678.90"), meta_data={"note": 'a "b",\nc'})
        rows = [first, replace(known, amount=Decimal("13")), new(amount=Decimal("-1"))]
        file = tmp_path / "payments.csv"
        file.write_text(table(rows).read(), encoding="utf-8", newline="")
        with file.open(newline="", encoding="utf-8") as lines:
            told = list(client.bulk_csv(lines))
        assert [(one.index, one.id, one.status) for one in told] == [
            (0, rows[0].id, "created"),
            (1, rows[1].id, "conflict"),
            (2, rows[2].id, "rejected"),
        ]
        assert [{fault.pointer for fault in one.faults} for one in told] == [set(), {"/amount"}, {"/amount"}]
        stored = client.transaction(rows[0].id)
        assert (stored.amount, stored.meta_data) == (rows[0].amount, {"note": 'a "b",\nc'})

    def test_rows_go_in_as_many_requests_as_they_need_and_count_on(self, served: Served) -> None:
        rows, asked = series(5), []

        def note(path: str, status: int, body: bytes) -> tuple[int, bytes]:
            asked.append(len(json.loads(body)["results"]))
            return status, body

        with spoiled(served.address, note) as address, Client(address, served.key) as client:
            told = list(client.bulk_csv(table(rows), at_once=2))
        assert asked == [2, 2, 1]
        assert [(one.index, one.id) for one in told] == [(n, row.id) for n, row in enumerate(rows)]
        assert all(one.is_stored for one in told)

    def test_rows_without_ids_are_told_theirs(self, client: Client) -> None:
        rows = series(3)
        text = table(rows, without=("id", "meta_data")).read().replace(",EUR,", ",XXY,", 1)
        told = list(client.bulk_csv(StringIO(text)))
        assert [one.status for one in told] == ["rejected", "created", "created"]
        assert told[0].id is None
        stored = [one.id for one in client.transactions(user_id=rows[0].user_id)]
        assert stored == [told[2].id, told[1].id]

    def test_a_lost_answer_stores_nothing_twice_even_without_ids(self, served: Served) -> None:
        rows, lost = series(3), []

        def spoil(path: str, status: int, body: bytes) -> tuple[int, bytes]:
            if path == PATH and not lost:
                lost.append(path)
                raise Gone
            return status, body

        with spoiled(served.address, spoil) as address, Client(address, served.key, sleep=lambda _: None) as client:
            told = list(client.bulk_csv(table(rows, without=("id",))))
            assert len(list(client.transactions(user_id=rows[0].user_id))) == 3
        assert lost
        assert [one.status for one in told] == ["created"] * 3

    def test_atomic_stores_all_or_none(self, client: Client) -> None:
        rows = series(2)
        bad = table(rows).read().replace(",EUR,", ",XXY,", 1)
        with pytest.raises(Invalid) as invalid:
            list(client.bulk_csv(StringIO(bad), atomic=True))
        assert [one.pointer for one in invalid.value.faults] == ["/0/currency"]
        assert list(client.transactions(user_id=rows[0].user_id)) == []
        assert {one.status for one in client.bulk_csv(table(rows), atomic=True)} == {"created"}
        with pytest.raises(Conflict):
            list(client.bulk_csv(StringIO(table(rows).read().replace("12.50", "13.50")), atomic=True))
        with pytest.raises(ValueError, match="all or none"):
            list(client.bulk_csv(table(rows), atomic=True, at_once=1))

    def test_no_request_is_larger_than_the_server_takes(self) -> None:
        text = table([new(meta_data={"merchant_id": "é" * max(0, n - 100)}) for n in range(200)]).read()
        bodies = list(tables.requests(StringIO(text, newline=""), most_rows=30, most_bytes=9_000))
        assert all(len(body) <= 9_000 for body in bodies)
        read = [list(csv.reader(StringIO(body.decode(), newline=""))) for body in bodies]
        assert {tuple(one[0]) for one in read} == {FIELDS}
        assert max(len(one) for one in read) == 31
        assert [row for one in read for row in one[1:]] == list(csv.reader(StringIO(text, newline="")))[1:]

    @pytest.mark.parametrize("text", ["", "\n\n", "id,user_id\n", "\nid\n\n"])
    def test_no_rows_are_no_request(self, text: str) -> None:
        with Client("http://127.0.0.1:1", "key", tries=1) as client:
            assert list(client.bulk_csv(StringIO(text))) == []

    def test_what_is_no_csv_is_told_before_it_is_sent(self) -> None:
        with Client("http://127.0.0.1:1", "key", tries=1) as client, pytest.raises(ValueError, match="Line 2"):
            list(client.bulk_csv(StringIO('id\n"a"b\n')))


class TestExport:
    def test_a_list_comes_back_as_a_table_that_can_be_stored_again(self, client: Client, tmp_path: Path) -> None:
        rows = series(30)
        assert all(one.is_stored for one in client.bulk(rows))
        file = tmp_path / "payments.csv"
        with file.open("wb") as target:
            target.writelines(client.export("transactions", user_id=rows[0].user_id, fields=FIELDS))
        with file.open(newline="", encoding="utf-8") as lines:
            assert [UUID(row["id"]) for row in csv.DictReader(lines)] == [row.id for row in reversed(rows)]
        with file.open(newline="", encoding="utf-8") as lines:
            assert {one.status for one in client.bulk_csv(lines)} == {"duplicate"}

    def test_ndjson_has_each_row_as_the_list(self, client: Client) -> None:
        text = b"".join(client.export("anomalies", kind="ndjson", ordering="score"))
        found = [json.loads(line) for line in text.splitlines()]
        assert [UUID(one["transaction_id"]) for one in found] == [
            one.transaction_id for one in client.anomalies(ordering="score")
        ]
        assert found

    @pytest.mark.parametrize("name", ["cases", "verdicts"])
    def test_each_list_has_one(self, client: Client, name: tables.List) -> None:
        more = {"state": "all"} if name == "cases" else {}
        lines = list(csv.reader(StringIO(b"".join(client.export(name, **more)).decode(), newline="")))
        assert len(lines) > 1
        assert lines[0][0] == "id"

    def test_what_is_refused_is_a_typed_error_before_anything_is_read(self, served: Served, client: Client) -> None:
        with pytest.raises(Invalid) as invalid:
            client.export("transactions", colour="red")
        assert [one.pointer for one in invalid.value.faults] == ["colour"]
        with Client(served.address, "secret") as stranger, pytest.raises(NotAllowed):
            stranger.export("transactions")

    def test_a_server_that_is_away_for_a_moment_is_asked_again(self) -> None:
        busy = json.dumps({"type": "x:unavailable", "detail": "Away.", "errors": []}).encode()
        with answering([(503, {}, busy), (200, {}, b"id\r\n")]) as address:
            client = Client(address, "key", sleep=lambda _: None)
            assert b"".join(client.export("cases")) == b"id\r\n"

    @pytest.mark.parametrize("told", ["Transfer-Encoding: chunked\r\n\r\n4\r\n", "Content-Length: 40\r\n\r\n"])
    def test_one_that_breaks_off_is_not_taken_for_whole(self, told: str) -> None:
        def cut(asked: BaseHTTPRequestHandler) -> None:
            asked.wfile.write(f"HTTP/1.1 200 OK\r\n{told}id\r\n\r\n".encode())
            asked.connection.shutdown(SHUT_RDWR)

        with answering([None], cut) as address:
            read = Client(address, "key", tries=1).export("cases")
            assert next(read)[:2] == b"id"
            with pytest.raises(Unreachable, match="not whole"):
                list(read)

    def test_the_client_goes_on_beside_an_export(self, client: Client) -> None:
        rows = series(3)
        reading = client.export("transactions", kind="ndjson")
        first = next(reading)
        assert client.create(rows[0]).id == rows[0].id
        assert first + b"".join(reading)
