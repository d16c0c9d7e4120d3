"""The Python client's bulk, against the real server."""

import json
from dataclasses import replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler

import pytest
from anomaly_client import Client, Conflict, Invalid
from anomaly_client import bulk as client_bulk

from tests.contract.conftest import Served
from tests.contract.payments import new, series
from tests.contract.proxies import Gone, answering, spoiled
from transactions.api import bulk_body

PATH = "/api/v1/transactions/bulk/"


def test_each_row_is_answered_by_what_became_of_it(client: Client) -> None:
    known = new(amount=Decimal("123456789012345678.90"))
    client.create(known)
    fresh, bad = new(), new(amount=Decimal("-1"), currency="XXY")
    told = list(client.bulk([fresh, known, replace(known, amount=Decimal("13")), bad]))
    assert [(one.index, one.id) for one in told] == [(0, fresh.id), (1, known.id), (2, known.id), (3, bad.id)]
    assert [one.status for one in told] == ["created", "duplicate", "conflict", "rejected"]
    assert [one.is_stored for one in told] == [True, True, False, False]
    assert [{fault.pointer for fault in one.faults} for one in told] == [
        set(),
        set(),
        {"/amount"},
        {"/amount", "/currency"},
    ]
    assert client.transaction(fresh.id).amount == fresh.amount


def test_rows_go_in_as_many_requests_as_they_need_and_count_on(served: Served) -> None:
    rows, asked = series(5), []

    def note(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        asked.append(len(json.loads(body)["results"]))
        return status, body

    with spoiled(served.address, note) as address, Client(address, served.key) as client:
        told = list(client.bulk(iter(rows), at_once=2))
    assert asked == [2, 2, 1]
    assert [(one.index, one.id, one.status) for one in told] == [(n, row.id, "created") for n, row in enumerate(rows)]


def test_no_request_is_larger_than_the_server_takes() -> None:
    assert (client_bulk.MOST_ROWS, client_bulk.BODY_BYTES) == (bulk_body.MOST_ROWS, bulk_body.BODY_BYTES)
    rows = [new(meta_data={"merchant_id": "é" * max(0, n - 100)}) for n in range(200)]
    requests = list(client_bulk.requests(rows, most_rows=30, most_bytes=9_000))
    assert [row_id for one in requests for row_id in one.ids] == [row.id for row in rows]
    assert all(len(one.body) <= 9_000 and one.body.count(b"\n") == len(one.ids) <= 30 for one in requests)
    # Full ones: of two that follow each other, the first row of the second would have been too much.
    sizes = [len(one.body) for one in requests]
    firsts = [one.body.index(b"\n") + 1 for one in requests]
    assert all(
        len(one.ids) == 30 or size + first > 9_000
        for one, size, first in zip(requests, sizes, firsts[1:], strict=False)
    )
    assert len(requests[0].ids) == 30 > min(len(one.ids) for one in requests[:-1])


def test_no_rows_are_no_request() -> None:
    with Client("http://127.0.0.1:1", "key", tries=1) as client:
        assert list(client.bulk([])) == []


def test_a_bulk_whose_answer_was_lost_is_sent_again_and_answered_as_the_first(served: Served) -> None:
    """As duplicates the rows would be told, if the requests had different idempotency keys."""
    rows, lost = series(3), []

    def spoil(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        if path == PATH and not lost:
            lost.append(path)
            raise Gone
        return status, body

    with spoiled(served.address, spoil) as address, Client(address, served.key, sleep=lambda _: None) as client:
        told = list(client.bulk(rows))
        stored = client.transactions(user_id=rows[0].user_id)
        assert [one.id for one in stored] == [row.id for row in reversed(rows)]
    assert lost
    assert {one.status for one in told} == {"created"}


def test_each_request_has_a_key_of_its_own() -> None:
    seen = []

    def note(asked: BaseHTTPRequestHandler) -> None:
        asked.rfile.read(int(asked.headers["Content-Length"]))
        seen.append((asked.path, asked.headers["Content-Type"], asked.headers["Idempotency-Key"]))

    answer = json.dumps({"results": [{"index": 0, "id": None, "status": "created"}]}).encode()
    with answering([(503, {}, b""), (200, {}, answer), (200, {}, answer)], note) as address:
        client = Client(address, "key", sleep=lambda _: None)
        assert [one.index for one in client.bulk(series(2), at_once=1)] == [0, 1]
        client.close()
    assert {one[:2] for one in seen} == {(PATH, "application/x-ndjson")}
    keys = [key for *_, key in seen]
    assert keys[0] == keys[1] != keys[2]


def test_atomic_stores_all_or_none(client: Client) -> None:
    rows = series(2)
    bad = replace(rows[1], amount=Decimal("-1"))
    with pytest.raises(Invalid) as invalid:
        list(client.bulk([rows[0], bad], atomic=True))
    assert [(one.pointer, one.code) for one in invalid.value.faults] == [("/1/amount", "negative")]
    assert list(client.transactions(user_id=bad.user_id)) == []
    assert {one.status for one in client.bulk(rows, atomic=True)} == {"created"}
    with pytest.raises(Conflict, match="Nothing is stored"):
        list(client.bulk([replace(rows[0], amount=Decimal("13"))], atomic=True))


def test_atomic_is_refused_before_anything_is_sent_if_one_request_cannot_hold_it() -> None:
    with Client("http://127.0.0.1:1", "key", tries=1) as client, pytest.raises(ValueError, match="all or none"):
        list(client.bulk(series(3), atomic=True, at_once=2))
