"""Bodies in chunks (Transfer-Encoding: chunked), as whoever makes rows while sending them sends them."""

import json
import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from anomaly_client import Client

from anomaly_server import chunks, web_worker
from anomaly_server.web_worker import Coming, Refusal
from tests.contract.conftest import Served
from tests.contract.payments import new

BULK = "/api/v1/transactions/bulk/"
NDJSON = "application/x-ndjson"
HEAD = b"POST /api/v1/transactions/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


def send(
    served: Served, path: str, body: Iterable[bytes], kind: str = NDJSON, **more: str
) -> tuple[int, dict[str, Any], str]:
    """Status, content and what it says of being a repetition; each piece of the body is a chunk."""
    with closing(HTTPConnection(urlsplit(served.address).netloc, timeout=120)) as connection:
        headers = {"Authorization": f"Bearer {served.key}", "Content-Type": kind, "Transfer-Encoding": "chunked"}
        connection.request("POST", path, iter(body), {**headers, **more}, encode_chunked=True)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()), answer.headers.get("Idempotent-Replayed", "")


def raw(served: Served, text: bytes, path: str = BULK, kind: str = NDJSON) -> bytes:
    """All that is answered to a body in such chunks, before the server hangs up."""
    place = urlsplit(served.address)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {served.key}\r\n"
        f"Content-Type: {kind}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((place.hostname, place.port), timeout=120) as connection:
        connection.sendall(head.encode() + text)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def rows(count: int) -> list[dict[str, Any]]:
    user = uuid4()
    return [new(user_id=user).body() for _ in range(count)]


def pieces(text: bytes, size: int) -> Iterator[bytes]:
    return (text[start : start + size] for start in range(0, len(text), size))


def test_rows_are_stored_that_are_made_while_they_are_sent(served: Served) -> None:
    made = rows(50)
    status, told, _ = send(served, BULK, (json.dumps(row).encode() + b"\n" for row in made))
    assert (status, told["created"]) == (200, 50)
    assert [one["id"] for one in told["results"]] == [row["id"] for row in made]
    with Client(served.address, served.key) as client:
        assert {str(one.id) for one in client.transactions(user_id=made[0]["user_id"])} == {row["id"] for row in made}


@pytest.mark.parametrize("size", [1, 7, 4096, 1 << 20])
def test_it_does_not_matter_where_one_chunk_ends_and_the_next_begins(served: Served, size: int) -> None:
    text = json.dumps(rows(20)).encode()
    status, told, _ = send(served, BULK, pieces(text, size), "application/json")
    assert (status, told["created"]) == (200, 20)


def test_csv_and_a_single_transaction_come_in_chunks_too(served: Served) -> None:
    (one,) = rows(1)
    del one["meta_data"]
    table = ",".join(one) + "\n" + ",".join(one.values()) + "\n"
    assert send(served, BULK, pieces(table.encode(), 9), "text/csv")[1]["created"] == 1
    text = json.dumps(rows(1)[0]).encode()
    status, told, _ = send(served, "/api/v1/transactions/", pieces(text, 50), "application/json")
    assert (status, told["id"]) == (201, json.loads(text)["id"])


def test_a_repetition_is_known_however_it_is_cut(served: Served) -> None:
    text = b"".join(json.dumps(row).encode() + b"\n" for row in rows(3))
    key = {"Idempotency-Key": str(uuid4())}
    status, first, replayed = send(served, BULK, pieces(text, 100), **key)
    assert (status, first["created"], replayed) == (200, 3, "")
    assert send(served, BULK, pieces(text, 64), **key) == (200, first, "true")
    assert send(served, BULK, pieces(text[:-1] + b" ", 64), **key)[0] == 422


@pytest.mark.parametrize(
    ("path", "length"),
    [
        ("/api/v1/transactions/", 70_000),
        # The view has its say of what is a little too large, the worker of what is more.
        (BULK, (10 << 20) + 1),
        (BULK, web_worker.MOST_BODY + 1),
    ],
)
def test_the_limits_are_those_of_bodies_with_a_length(served: Served, path: str, length: int) -> None:
    sent = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces(b" " * length, 60_000))
    text = raw(served, sent + b"0\r\n\r\n", path, "application/json")
    assert text.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in text


def test_ten_mebibytes_are_taken(served: Served) -> None:
    text = json.dumps(rows(1)).encode()
    whole = text + b" " * ((10 << 20) - len(text))
    status, told, _ = send(served, BULK, pieces(whole, 1 << 16), "application/json")
    assert (status, told["created"]) == (200, 1)


@pytest.mark.parametrize(
    "text",
    [
        b"nonsense\r\n\r\n",
        b"-2\r\n{}\r\n0\r\n\r\n",
        b"0x2\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}X\r\n0\r\n\r\n",
        b"2\r\n{}\n0\r\n\r\n",
        b"2\n{}\n0\n\n",
        b"\r\n\r\n",
        b"2\r\n{}\r\n0\r\nno colon\r\n\r\n",
        b"1" * 5_000,
    ],
)
def test_chunks_that_are_none_are_refused_and_the_connection_ends(served: Served, text: bytes) -> None:
    answer = raw(served, text)
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert answer.count(b"HTTP/1.1") == 1
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert re.search(rb"\{.*\}", body), body
    assert b'"urn:anomaly-server:problem:bad_chunks"' in body


def test_an_empty_body_in_chunks_is_an_empty_body(served: Served) -> None:
    answer = raw(served, b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"The body is empty" in answer


def test_extensions_and_trailers_change_nothing(served: Served) -> None:
    text = json.dumps(rows(1)[0]).encode() + b"\n"
    answer = raw(served, b'%X;a="b"\r\n%s\r\n000;c\r\nX-Sum: 1\r\n\r\n' % (len(text), text))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"created":1' in answer


def test_what_comes_behind_it_on_the_connection_is_the_next_request(served: Served) -> None:
    with closing(HTTPConnection(urlsplit(served.address).netloc, timeout=120)) as connection:
        for _ in range(3):
            headers = {"Authorization": f"Bearer {served.key}", "Content-Type": NDJSON, "Transfer-Encoding": "chunked"}
            body = (json.dumps(row).encode() + b"\n" for row in rows(2))
            connection.request("POST", BULK, body, headers, encode_chunked=True)
            answer = connection.getresponse()
            assert json.loads(answer.read())["created"] == 2
            assert answer.headers.get("Connection") != "close"


@pytest.fixture
def coming() -> Iterator[Coming]:
    """A request whose head has come."""
    found = Coming(0.0)
    found.add(HEAD)
    yield found
    found.store.close()


def test_a_body_of_very_many_chunks_is_refused(coming: Coming) -> None:
    coming.add(b"1\r\n \r\n" * chunks.MOST_CHUNKS)
    with pytest.raises(Refusal) as refused:
        coming.add(b"1\r\n \r\n")
    assert refused.value.status == 413


def test_chunks_may_be_as_slow_as_other_bodies_and_no_slower(coming: Coming) -> None:
    began = coming.body_began
    assert coming.deadline == pytest.approx(began + web_worker.HEAD_S, abs=0.1)
    for sent in (b"10000\r\n", b" " * 0x8000, b" " * 0x8000):
        coming.add(sent)
    allowed = web_worker.HEAD_S + coming.has / web_worker.BODY_BYTES_A_SECOND
    assert coming.deadline == pytest.approx(began + allowed)
    assert not coming.is_whole()
    coming.add(b"\r\n0\r\n\r\n")
    assert coming.is_whole()
