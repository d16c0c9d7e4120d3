"""POST transactions/: stored and scored in one round trip, safe to repeat, refused with every fault named."""

import json
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from anomalies.models import Anomaly, PendingScore
from anomalies.sentences import sentence
from tests.api import BASE, faults, post, problem, reader, writer
from tests.transactions import traffic
from tests.transactions.bad_rows import CASES
from tests.transactions.row_cases import Case
from transactions import backlog, intake
from transactions.models import Transaction

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return writer()


def body(**changes: object) -> dict[str, Any]:
    plain = {
        "id": str(uuid4()),
        "user_id": str(uuid4()),
        "amount": "12.50",
        "currency": "EUR",
        "txn_date": "2024-06-01T12:00:00+02:00",
        "status": "completed",
        "meta_data": {"merchant_id": "m-1"},
    }
    return {**plain, **changes}


def test_a_transaction_is_stored_and_answered_as_stored(client: Client) -> None:
    sent = body()
    response = post(client, "transactions/", sent)
    assert response.status_code == HTTPStatus.CREATED
    answer = response.json()
    assert {name: answer[name] for name in sent} == {**sent, "txn_date": "2024-06-01T10:00:00Z"}
    assert response["Location"] == f"http://testserver{BASE}transactions/{sent['id']}/"
    stored = client.get(response["Location"]).json()
    assert {name: answer[name] for name in stored} == stored


def test_without_a_reference_the_score_is_null_with_a_reason(client: Client) -> None:
    answer = post(client, "transactions/", body()).json()
    assert answer["unscored"]["code"] == "no_reference"
    assert [answer[name] for name in ("score", "rarity", "level", "raw")] == [None] * 4
    assert answer["reasons"] == []


def test_a_strange_payment_is_answered_with_its_score_and_reasons(client: Client) -> None:
    rows = traffic.rows(3000)
    intake.take(rows, score=False)
    backlog.score_pending()
    later = (traffic.START + timedelta(days=40, hours=1)).isoformat()
    sent = body(user_id=str(rows[0].user_id), amount="9000.00", currency="EUR", txn_date=later)
    answer = post(client, "transactions/", sent).json()
    assert answer["score"] >= 60
    assert answer["level"] in ("medium", "high")
    assert answer["unscored"] is None
    assert sum(reason["contribution"] for reason in answer["reasons"]) == pytest.approx(answer["raw"], abs=1e-9)
    assert all(reason["sentence"] == sentence(reason, "EUR") for reason in answer["reasons"])
    explanation = client.get(f"{BASE}transactions/{sent['id']}/explanation/").json()
    assert explanation.pop("transaction_id") == sent["id"]
    assert explanation.pop("features")["amount"] == 9000.0
    assert {name: answer[name] for name in explanation} == explanation
    assert Anomaly.objects.get(pk=sent["id"]).score == answer["score"]


def test_the_same_again_is_200_with_the_same_answer(client: Client) -> None:
    sent = body()
    first, again = (post(client, "transactions/", sent) for _ in range(2))
    assert (first.status_code, again.status_code) == (HTTPStatus.CREATED, HTTPStatus.OK)
    assert first.json() == again.json()
    assert Transaction.objects.count() == 1


def test_without_an_id_a_transaction_gets_one(client: Client) -> None:
    sent = body()
    del sent["id"]
    answers = [post(client, "transactions/", sent).json() for _ in range(2)]
    assert {UUID(answer["id"]).version for answer in answers} == {7}
    assert Transaction.objects.count() == 2


def test_other_content_under_a_known_id_is_409_naming_the_fields(client: Client) -> None:
    sent = body()
    post(client, "transactions/", sent)
    response = post(client, "transactions/", {**sent, "amount": "12.51", "status": "failed"})
    assert faults(response, HTTPStatus.CONFLICT) == [("/amount", "conflict"), ("/status", "conflict")]
    assert str(Transaction.objects.get().amount) == "12.50"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_table_of_good_and_bad_rows_is_judged_as_everywhere(client: Client, case: Case) -> None:
    response = post(client, "transactions/", case.json)
    if case.is_good:
        assert response.status_code == HTTPStatus.CREATED, response.content
        (stored,) = Transaction.objects.values(*case.stored)
        assert str(stored["amount"]) == case.stored["amount"]
        assert stored["txn_date"] == datetime.fromisoformat(case.stored["txn_date"])
        assert [str(stored[name]) for name in ("id", "user_id", "currency", "status")] == [
            case.stored[name] for name in ("id", "user_id", "currency", "status")
        ]
        answer = client.get(f"{BASE}transactions/{case.id}/")
        assert json.loads(answer.content, parse_float=str)["meta_data"] == json.loads(
            case.stored["meta_data"], parse_float=str
        )
    elif response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        assert len(case.json.encode()) > 64 * 1024
    else:
        expected = [(f"/{field}" if field else "", code) for field, code in case.problems]
        assert faults(response) == expected
        assert not Transaction.objects.exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [("", "empty")]),
        ("[]", [("", "not_an_object")]),
        ("5", [("", "not_an_object")]),
        ("null", [("", "not_an_object")]),
        (b"\xff\xfe", [("", "not_utf8")]),
        ('{"amount": "1", "amount": "2"}', [("", "duplicate_key")]),
        ("[" * 20_000, [("", "too_deep")]),
    ],
)
def test_a_body_that_is_no_object_is_refused(client: Client, text: str | bytes, expected: list[Any]) -> None:
    assert faults(post(client, "transactions/", text)) == expected


def test_every_fault_is_told_at_once_and_unknown_fields_are_faults(client: Client) -> None:
    response = post(client, "transactions/", body(amount="-1", currency="XX", **{"a/b~c": 1}))
    assert faults(response) == [
        ("/amount", "negative"),
        ("/currency", "not_a_currency"),
        ("/a~1b~0c", "unknown_field"),
    ]


def test_three_megabytes_are_413(client: Client) -> None:
    response = post(client, "transactions/", body(meta_data={"x": "y" * 3_000_000}))
    assert problem(response, 413)["type"].endswith(":too_large")


def test_meta_data_at_its_limit_fits_into_a_body_however_it_is_escaped(client: Client) -> None:
    text = json.dumps(body(meta_data={"x": "é" * 8_180}), ensure_ascii=True)
    assert post(client, "transactions/", text).status_code == HTTPStatus.CREATED


def test_a_body_of_unknown_length_is_411(client: Client) -> None:
    response = client.post(
        BASE + "transactions/", b"", content_type="application/json", headers={"Transfer-Encoding": "chunked"}
    )
    assert problem(response, 411)["type"].endswith(":length_required")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_a_body_that_is_not_json_by_its_type_is_415(client: Client, content_type: str) -> None:
    response = client.post(BASE + "transactions/", "amount=1", content_type=content_type)
    assert problem(response, 415)["type"].endswith(":unsupported_media_type")


def test_a_key_that_may_only_read_stores_nothing() -> None:
    assert problem(post(reader(), "transactions/", body()), 403)["errors"] == []
    assert not Transaction.objects.exists()


def test_a_fault_in_scoring_costs_no_transaction(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scoring.begin_last", lambda *_: 1 / 0)
    answer = post(client, "transactions/", body())
    assert answer.status_code == HTTPStatus.CREATED
    assert answer.json()["unscored"]["code"] == "failed"
    assert PendingScore.objects.filter(user_id=answer.json()["user_id"]).exists()


def test_a_create_costs_a_known_number_of_queries(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(12):
        assert post(client, "transactions/", body()).status_code == HTTPStatus.CREATED


def test_a_time_in_the_answer_is_utc_with_a_z(client: Client) -> None:
    now = datetime.now(UTC)
    answer = post(client, "transactions/", body(txn_date=now.isoformat())).json()
    assert answer["txn_date"].endswith("Z")
    assert abs(datetime.fromisoformat(answer["received_at"]) - now) < timedelta(minutes=1)
