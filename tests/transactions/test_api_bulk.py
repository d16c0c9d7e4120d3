"""POST transactions/bulk/: every row judged as everywhere, answered in its place, or all of them together."""

import csv
import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client

from anomalies.models import Anomaly, PendingScore
from tests.api import BASE, faults, post, problem, reader, writer
from tests.transactions import traffic
from tests.transactions.bad_rows import CASES, CSV_CASES
from tests.transactions.row_cases import Case, Problems
from transactions import backlog, copying, intake
from transactions.api import bulk_body
from transactions.models import Transaction
from transactions.rows import FIELDS

pytestmark = pytest.mark.django_db
JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv"


@pytest.fixture
def client() -> Client:
    return writer()


@pytest.fixture(autouse=True)
def lucky(monkeypatch: pytest.MonkeyPatch) -> None:
    """A known row in another test is no reason to stage the rows of this one."""
    monkeypatch.setattr(copying._Luck, "pauses", 0)


def row(**changes: object) -> dict[str, Any]:
    plain = {
        "id": str(uuid4()),
        "user_id": str(uuid4()),
        "amount": "12.50",
        "currency": "EUR",
        "txn_date": "2024-06-01T12:00:00Z",
        "status": "completed",
        "meta_data": {"merchant_id": "m-1"},
    }
    return {**plain, **changes}


def as_ndjson(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(one) + "\n" for one in rows)


def as_csv(rows: list[dict[str, Any]]) -> str:
    cells = [{**one, "meta_data": json.dumps(one["meta_data"])} if "meta_data" in one else one for one in rows]
    return cells_as_csv(cells)


def cells_as_csv(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


WRITTEN: dict[str, Callable[[list[dict[str, Any]]], str]] = {JSON: json.dumps, NDJSON: as_ndjson, CSV: as_csv}


def send(client: Client, content: str | bytes, kind: str = JSON, query: str = "", **headers: str) -> Any:
    # Django's client forgets the type of an empty body.
    return client.post(f"{BASE}transactions/bulk/{query}", content, kind, headers={"Content-Type": kind, **headers})


def sent(client: Client, rows: list[dict[str, Any]], kind: str = JSON, query: str = "") -> dict[str, Any]:
    response = send(client, WRITTEN[kind](rows), kind, query)
    assert response.status_code == 200, response.content
    found: dict[str, Any] = response.json()
    assert [one["index"] for one in found["results"]] == list(range(len(rows)))
    return found


def statuses(answer: dict[str, Any]) -> list[str]:
    return [one["status"] for one in answer["results"]]


@pytest.mark.parametrize("kind", WRITTEN)
def test_each_row_is_answered_in_its_place(client: Client, kind: str) -> None:
    known, other = row(), row()
    post(client, "transactions/", known)
    post(client, "transactions/", other)
    twice = row()
    rows = [row(), known, {**other, "amount": "1.00", "status": "failed"}, row(amount="-1", currency="X"), twice, twice]
    answer = sent(client, rows, kind)
    assert statuses(answer) == ["created", "duplicate", "conflict", "rejected", "created", "duplicate"]
    assert {name: answer[name] for name in ("created", "duplicate", "conflict", "rejected")} == {
        "created": 2,
        "duplicate": 2,
        "conflict": 1,
        "rejected": 1,
    }
    assert [one["id"] for one in answer["results"]] == [one["id"] for one in rows]
    told = [[(error["pointer"], error["code"]) for error in one.get("errors", [])] for one in answer["results"]]
    assert told[2] == [("/amount", "conflict"), ("/status", "conflict")]
    assert told[3] == [("/amount", "negative"), ("/currency", "not_a_currency")]
    assert (told[0], told[1], told[4], told[5]) == ([], [], [], [])
    assert Transaction.objects.count() == 4
    assert Transaction.objects.get(pk=other["id"]).status == "completed"


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_second_time_everything_is_a_duplicate(client: Client, kind: str) -> None:
    rows = [row(), row(meta_data={"x": 'ä "\\ \n', "y": [1, None]}), row(amount="0")]
    assert statuses(sent(client, rows, kind)) == ["created"] * 3
    assert statuses(sent(client, rows, kind)) == ["duplicate"] * 3


def test_rows_without_an_id_get_one(client: Client) -> None:
    rows = [row(), row()]
    for one in rows:
        del one["id"]
    assert {UUID(one["id"]).version for one in sent(client, rows)["results"]} == {7}


# What the table of rows tells of, through each of the three forms.


def expected(case: Case, problems: Problems, kind: str) -> tuple[tuple[str, str], ...]:
    if len(case.json) > bulk_body.LONGEST_ROW:
        # Nobody looks at what is in it.
        return (("", "not_json" if kind == JSON else "too_large"),)
    return tuple((f"/{field}" if field else "", code) for field, code in problems)


def judged(response: Any) -> tuple[tuple[str, str], ...]:
    """The faults of the only row; of a body of which nobody can tell where a row ends, the body's."""
    if response.status_code == 400:
        return tuple(faults(response))
    (one,) = response.json()["results"]
    assert one["status"] == ("rejected" if "errors" in one else "created"), response.content
    return tuple((error["pointer"], error["code"]) for error in one.get("errors", []))


def stored_as_told(case: Case) -> bool:
    (stored,) = Transaction.objects.values(*case.stored)
    with connection.cursor() as cursor:
        cursor.execute("SELECT meta_data::text FROM transactions")
        (text,) = cursor.fetchone()
    plain = ("id", "user_id", "amount", "currency", "status")
    return (
        [str(stored[name]) for name in plain] == [case.stored[name] for name in plain]
        and stored["txn_date"] == datetime.fromisoformat(case.stored["txn_date"])
        and json.loads(text, parse_float=str) == json.loads(case.stored["meta_data"], parse_float=str)
    )


@pytest.mark.parametrize("kind", [JSON, NDJSON])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_table_of_good_and_bad_rows_is_judged_as_everywhere(client: Client, case: Case, kind: str) -> None:
    text = f"[{case.json}]" if kind == JSON else case.json.replace("\n", " ")
    response = send(client, text.encode("utf-8", "surrogatepass"), kind)
    assert judged(response) == expected(case, case.problems, kind)
    assert stored_as_told(case) if case.is_good else not Transaction.objects.exists()


@pytest.mark.parametrize("case", CSV_CASES, ids=lambda case: case.name)
def test_the_table_of_good_and_bad_rows_is_judged_as_everywhere_in_csv(client: Client, case: Case) -> None:
    assert case.cells is not None
    response = send(client, cells_as_csv([case.cells]).encode("utf-8", "surrogatepass"), CSV)
    assert judged(response) == expected(case, case.csv_problems, CSV)
    assert stored_as_told(case) if case.is_good else not Transaction.objects.exists()


@pytest.mark.parametrize("block", [1, 7, 1 << 16])
def test_rows_are_the_same_wherever_the_body_is_cut(
    client: Client, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(bulk_body, "BLOCK", block)
    rows = [row(amount=12), row(amount=1.5), row(meta_data={"ä": '😀 ] , [ \\" '}), {}, row(status="é")]
    for kind, written in WRITTEN.items():
        named = [{**one, **({"id": str(uuid4())} if one else {})} for one in rows]
        text = written(named).replace("\\u00e4", "ä")
        assert statuses(send(client, text, kind).json()) == ["created"] * 3 + ["rejected"] * 2


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


@pytest.mark.parametrize("kind", WRITTEN)
def test_atomic_stores_all(client: Client, kind: str) -> None:
    assert statuses(sent(client, [row(), row()], kind, "?atomic=true")) == ["created", "created"]


def test_atomic_takes_what_is_stored_already_for_stored(client: Client) -> None:
    known = row()
    sent(client, [known])
    assert statuses(sent(client, [known, row()], query="?atomic=true")) == ["duplicate", "created"]


def test_atomic_stores_nothing_where_a_row_is_rejected(client: Client) -> None:
    rows = [row(), row(amount="-1"), row(), row(status="X", currency="E")]
    response = send(client, json.dumps(rows), query="?atomic=true")
    assert problem(response, 422)["type"].endswith(":rows_rejected")
    assert faults(response, 422) == [
        ("/1/amount", "negative"),
        ("/3/currency", "not_a_currency"),
        ("/3/status", "not_a_status"),
    ]
    assert not Transaction.objects.exists()
    assert not PendingScore.objects.exists()


def test_atomic_stores_nothing_where_a_row_contradicts_a_stored_one(client: Client) -> None:
    known = row()
    sent(client, [known])
    response = send(client, json.dumps([row(), {**known, "amount": "1"}]), query="?atomic=true")
    assert faults(response, 409) == [("/1/amount", "conflict")]
    assert Transaction.objects.count() == 1


def test_atomic_is_true_or_false(client: Client) -> None:
    assert faults(send(client, "[]", query="?atomic=yes")) == [("atomic", "invalid")]
    assert faults(send(client, "[]", query="?atomc=true")) == [("atomc", "unknown_parameter")]
    assert sent(client, [row(), {}], query="?atomic=false")["created"] == 1


# Limits.


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


def test_a_key_that_may_only_read_stores_nothing() -> None:
    problem(send(reader(), json.dumps([row()])), 403)
    assert not Transaction.objects.exists()


# What is the same as for one row.


def test_rows_are_scored_like_any_other(client: Client) -> None:
    rows = traffic.rows(3000)
    intake.take(rows, score=False)
    backlog.score_pending()
    strange = row(
        user_id=str(rows[0].user_id),
        amount="9000.00",
        txn_date=(traffic.START + timedelta(days=40, hours=1)).isoformat(),
    )
    late = row(user_id=str(rows[1].user_id), txn_date=(traffic.START + timedelta(days=20)).isoformat())
    sent(client, [strange, late])
    marked = dict(PendingScore.objects.values_list("user_id", "since"))
    assert marked[rows[1].user_id] == traffic.START + timedelta(days=20)
    backlog.score_pending()
    assert Anomaly.objects.get(pk=strange["id"]).score >= 60


def test_what_the_database_refuses_is_rejected_alone(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transactions.rows.AHEAD", timedelta(days=900))
    later = (datetime.now().astimezone() + timedelta(days=2)).isoformat()
    rows = [row(), row(txn_date=later), row()]
    answer = sent(client, rows)
    assert statuses(answer) == ["created", "rejected", "created"]
    assert answer["results"][1]["errors"][0]["code"] == "in_the_future"
    many = [row(txn_date=later) for _ in range(12)]
    assert problem(send(client, json.dumps(many)), 422)["errors"][0]["code"] == "in_the_future"


def test_an_idempotency_key_makes_a_bulk_safe_without_ids(client: Client) -> None:
    rows = [row(), row()]
    for one in rows:
        del one["id"]
    first, again = (send(client, json.dumps(rows), **{"Idempotency-Key": "b"}) for _ in range(2))
    assert first.content == again.content
    assert again["Idempotent-Replayed"] == "true"
    assert Transaction.objects.count() == 2
    problem(send(client, json.dumps(rows) + " ", **{"Idempotency-Key": "b"}), 422)
    problem(send(client, json.dumps(rows), query="?atomic=true", **{"Idempotency-Key": "b"}), 422)


# Several at once.


@pytest.mark.django_db(transaction=True)
def test_bulks_in_opposite_order_and_single_rows_of_their_users_lose_nothing(client: Client) -> None:
    users = [str(uuid4()) for _ in range(4)]
    rows = [row(user_id=users[n % 4], txn_date=f"2024-06-01T12:00:{n % 60:02}Z") for n in range(120)]
    singly = [row(user_id=users[n % 4]) for n in range(16)] + rows[::8]

    def bulk(content: list[dict[str, Any]]) -> list[str]:
        found = statuses(sent(client, content))
        connection.close()
        return found

    def single(one: dict[str, Any]) -> list[str]:
        response = post(client, "transactions/", one)
        connection.close()
        return {201: ["created"], 200: ["duplicate"]}.get(response.status_code, [str(response.content)])

    with ThreadPoolExecutor(6) as pool:
        work = [pool.submit(bulk, order) for order in (rows, rows[::-1], rows[60:] + rows[:60])]
        work += [pool.submit(single, one) for one in singly]
        found = [status for one in work for status in one.result()]
    assert set(found) <= {"created", "duplicate"}
    assert found.count("created") == Transaction.objects.count() == 120 + 16
