"""What transactions/bulk/ reads, and which bodies it refuses."""

import io
import json
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from tests.api import BASE, faults, problem, writer
from tests.transactions.bulks import (
    CSV,
    JSON,
    NDJSON,
    WRITTEN,
    as_csv,
    as_ndjson,
    row,
    send,
    sent,
    statuses,
)
from transactions import copying, strict_json
from transactions.api import bulk_body
from transactions.models import Transaction

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return writer()


@pytest.fixture(autouse=True)
def lucky(monkeypatch: pytest.MonkeyPatch) -> None:
    """A known row in another test is no reason to stage the rows of this one."""
    monkeypatch.setattr(copying._Luck, "pauses", 0)


@pytest.mark.parametrize("block", [1, 7, 600, 1 << 16])
def test_rows_are_the_same_wherever_the_body_is_cut(
    client: Client, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(bulk_body, "BLOCK", block)
    rows = [row(amount=12), row(amount=1.5), row(meta_data={"ä": '😀 ] , [ \\" }, {'}), {}, row(status="é")]
    for kind, written in WRITTEN.items():
        named = [{**one, **({"id": str(uuid4())} if one else {})} for one in rows]
        text = written(named).replace("\\u00e4", "ä")
        assert statuses(send(client, text, kind).json()) == ["created"] * 3 + ["rejected"] * 2


@pytest.mark.parametrize("block", [1, 90, 700, 3000, 1 << 16])
@pytest.mark.parametrize("space", ["", " ", "\n  "])
def test_an_array_is_read_in_pieces_as_it_would_be_whole(
    monkeypatch: pytest.MonkeyPatch, block: int, space: str
) -> None:
    inner = [{"a": [{"b": 1}, {"c": "}, {"}]}, {"d": "]"}, [{"e": 1}, {"f": 2}], 5, 1.5, "}, {", None, {}]
    values = [{"n": n, "inner": inner[n % len(inner)]} if n % 5 else inner[n % len(inner)] for n in range(60)]
    text = json.dumps(values, separators=(f"{space},{space}", ":")).encode()
    monkeypatch.setattr(bulk_body, "BLOCK", block)
    pieces = list(bulk_body.READERS[JSON](text[at : at + block] for at in range(0, len(text), block)))
    found = [value for piece in pieces for value in piece]
    assert found == strict_json.loads(text)
    assert all(pieces)


def test_objects_are_read_a_block_at_a_time() -> None:
    text = json.dumps([row() for _ in range(1000)]).encode()
    blocks = [text[at : at + bulk_body.BLOCK] for at in range(0, len(text), bulk_body.BLOCK)]
    pieces = [len(piece) for piece in bulk_body.READERS[JSON](iter(blocks))]
    assert sum(pieces) == 1000
    assert len(pieces) <= len(blocks) + 1


def test_a_block_with_a_fault_is_read_row_by_row(client: Client) -> None:
    rows = [json.dumps(row()) for _ in range(20)]
    rows[7] = rows[7].replace('"amount"', '"amount": 1, "amount"')
    found = statuses(send(client, f"[{','.join(rows)}]").json())
    assert found == ["created"] * 7 + ["rejected"] + ["created"] * 12


@pytest.mark.parametrize(
    ("kind", "text", "code"),
    [
        (JSON, "", "empty"),
        (NDJSON, "", "empty"),
        (CSV, "", "empty"),
        (JSON, "{}", "not_an_array"),
        (JSON, "5", "not_an_array"),
        (JSON, "[", "not_json"),
        (JSON, "[{}", "not_json"),
        (JSON, "[{} {}]", "not_json"),
        (JSON, "[{},]", "not_json"),
        (JSON, "[{}],", "not_json"),
        (JSON, '[{"a":1},{bad}' + " " * 300_000 + "]", "not_json"),
        (JSON, "[" + "[" * 200_000, "too_deep"),
        (JSON, b"[\xff]", "not_utf8"),
        (JSON, '["' + "x" * 400_000 + '"]', "not_json"),
        (CSV, "id,amount,amount\n", "repeated"),
        (CSV, "id,colour\n", "unknown_field"),
        (CSV, 'id\n"x', "bad_csv"),
        (CSV, b"id\n\xff\n", "not_utf8"),
        (CSV, "id\n" + "x" * 300_000, "too_large"),
    ],
)
def test_a_body_in_which_rows_cannot_be_told_apart_is_refused(
    client: Client, kind: str, text: str | bytes, code: str
) -> None:
    assert [found for _, found in faults(send(client, text, kind))] == [code]
    assert not Transaction.objects.exists()


def test_no_rows_are_no_fault(client: Client) -> None:
    for kind, text in ((JSON, " [ ] "), (NDJSON, "\n \n"), (CSV, "id\n\n")):
        assert send(client, text, kind).json() == {
            "created": 0,
            "duplicate": 0,
            "conflict": 0,
            "rejected": 0,
            "results": [],
        }


def test_a_line_that_is_too_long_costs_its_row_alone(client: Client) -> None:
    text = f'{{"x": "{"y" * 300_000}"}}\n' + as_ndjson([row()])
    answer = send(client, text, NDJSON).json()
    assert statuses(answer) == ["rejected", "created"]
    assert answer["results"][0]["errors"][0]["code"] == "too_large"


def test_a_csv_row_of_another_width_is_rejected_and_a_byte_order_mark_is_none(client: Client) -> None:
    text = "\ufeff" + as_csv([row()]) + "a,b\n\n"
    answer = send(client, text, CSV).json()
    assert statuses(answer) == ["created", "rejected"]
    assert answer["results"][1]["errors"][0]["code"] == "wrong_cell_count"


# All or none.


def test_over_ten_mebibytes_is_413_before_it_is_read(client: Client) -> None:
    assert problem(send(client, b" " * ((10 << 20) + 1)), 413)["type"].endswith(":too_large")


def test_a_body_just_within_the_limit_is_taken(client: Client) -> None:
    text = json.dumps([row()])
    assert send(client, text + " " * ((10 << 20) - len(text))).status_code == 200


def test_a_body_that_ends_before_its_length_is_refused(client: Client) -> None:
    text = as_ndjson([row(), row()]).encode()
    more: dict[str, Any] = {"wsgi.input": io.BytesIO(text), "CONTENT_LENGTH": str(len(text) + 10)}
    response = client.post(f"{BASE}transactions/bulk/", "-", NDJSON, **more)
    assert "ended before" in problem(response, 400)["detail"]
    assert not Transaction.objects.exists()


def test_a_body_of_unknown_length_is_411(client: Client) -> None:
    problem(send(client, "", **{"Transfer-Encoding": "chunked", "Content-Length": ""}), 411)


def test_more_than_ten_thousand_rows_are_413(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bulk_body.MOST_ROWS == 10_000
    monkeypatch.setattr(bulk_body, "MOST_ROWS", 3)
    assert sent(client, [row()] * 3)["created"] == 1
    problem(send(client, json.dumps([row()] * 4)), 413)
    assert Transaction.objects.count() == 1


@pytest.mark.parametrize(
    ("kind", "headers"),
    [
        ("text/plain", {}),
        ("", {}),
        ("multipart/form-data; boundary=x", {}),
        ("text/csv; charset=latin-1", {}),
        (JSON, {"Content-Encoding": "gzip"}),
    ],
)
def test_what_is_of_another_type_or_compressed_is_415(client: Client, kind: str, headers: dict[str, str]) -> None:
    assert problem(send(client, "[]", kind, **headers), 415)["type"].endswith(":unsupported_media_type")


def test_a_type_may_say_its_charset(client: Client) -> None:
    assert send(client, as_csv([row()]), "Text/CSV; charset=UTF-8").json()["created"] == 1
