"""POST transactions/bulk/: every row judged as everywhere, answered in its place, or all of them together."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import connection
from django.test import Client

from anomalies.models import Anomaly, PendingScore
from tests.api import faults, post, problem, reader, writer
from tests.conftest import login_of
from tests.transactions import traffic
from tests.transactions.bad_rows import CASES, CSV_CASES
from tests.transactions.bulks import CSV, JSON, NDJSON, WRITTEN, cells_as_csv, row, send, sent, statuses
from tests.transactions.row_cases import Case, Problems
from transactions import backlog, copying, intake, plain
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


@pytest.mark.django_db(transaction=True)
def test_a_database_that_goes_away_meanwhile_is_a_503_and_stores_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent(client, [row()])
    read = plain.read

    def away(raws: Sequence[Any], now: datetime) -> Any:
        backend = connection.connection.info.backend_pid
        with psycopg.connect(**login_of(connection.get_connection_params())) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
        return read(raws, now)

    monkeypatch.setattr(plain, "read", away)
    problem(send(client, json.dumps([row(), row()])), 503)
    assert Transaction.objects.count() == 1
