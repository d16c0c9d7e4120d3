"""Idempotency-Key: whatever is sent again has one effect, and gets the answer of the first, byte for byte."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from time import sleep
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from anomalies.api import idempotency
from anomalies.kept_answers import KeptAnswer
from anomalies.models import Verdict
from tests.anomaly_server.serving import served
from tests.api import BASE, client_of, faults, post, problem, used_key, writer
from tests.conftest import login_of
from tests.factories import AnalystFactory, TransactionFactory
from transactions import keys, scopes
from transactions.models import Transaction

TRANSACTIONS = "transactions/"


@pytest.fixture
def client() -> Client:
    return writer()


def body(**changes: object) -> dict[str, Any]:
    """Without an id: each that is carried out is another transaction."""
    plain = {
        "user_id": "0b0c4c1e-8a55-4d0e-9d0a-5d2f6c1f7a11",
        "amount": "12.50",
        "currency": "EUR",
        "txn_date": "2024-06-01T12:00:00Z",
        "status": "completed",
    }
    return {**plain, **changes}


def send(client: Client, key: str, path: str = TRANSACTIONS, content: Any = None) -> Any:
    text = json.dumps(body() if content is None else content)
    return client.post(BASE + path, text, content_type="application/json", headers={"Idempotency-Key": key})


@pytest.mark.django_db
def test_a_repetition_has_no_effect_and_gets_the_same_answer(client: Client) -> None:
    first, again = (send(client, "k-1") for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    for name in ("Content-Type", "Location", "Cache-Control", "Content-Length"):
        assert first[name] == again[name]
    assert Transaction.objects.count() == 1


@pytest.mark.django_db
def test_without_a_key_nothing_is_kept(client: Client) -> None:
    for _ in range(2):
        post(client, TRANSACTIONS, body())
    assert Transaction.objects.count() == 2
    assert not KeptAnswer.objects.exists()


@pytest.mark.django_db
def test_a_verdict_is_given_once(client: Client) -> None:
    verdict = {"transaction_id": str(TransactionFactory().pk), "value": "fraud"}
    first, again = (send(client, "v", "verdicts/", verdict) for _ in range(2))
    assert (first.status_code, first.content) == (again.status_code, again.content) == (201, first.content)
    assert Verdict.objects.count() == 1


@pytest.mark.django_db
def test_a_key_is_the_same_with_quotes_and_without(client: Client) -> None:
    assert send(client, '"a \\"b\\" \\\\c"').status_code == 201
    assert send(client, 'a "b" \\c')["Idempotent-Replayed"] == "true"


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", '""', '"a', "ä", "a\tb", "x" * 256, '"' + "x" * 256 + '"', " ", "\x7f"])
def test_what_is_no_key_is_refused(client: Client, key: str) -> None:
    assert faults(send(client, key)) == [("Idempotency-Key", "invalid")]
    assert not Transaction.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["a", "~", "x" * 255, '"' + "x" * 255 + '"', "a b", "6f4b0b8a-657e-4c25"])
def test_what_is_a_key_is_taken(client: Client, key: str) -> None:
    assert send(client, key).status_code == 201


@pytest.mark.django_db
def test_another_body_under_the_key_is_422(client: Client) -> None:
    send(client, "k")
    found = problem(send(client, "k", content=body(amount="12.51")), 422)
    assert found["type"].endswith(":idempotency_key_reused")
    assert Transaction.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["verdicts/", "transactions/bulk/", "transactions/bulk/?atomic=true"])
def test_another_address_under_the_key_is_422(client: Client, path: str) -> None:
    send(client, "k")
    problem(send(client, "k", path), 422)
    assert Transaction.objects.count() == 1


@pytest.mark.django_db
def test_a_refused_request_leaves_its_key_free_for_the_mended_one(client: Client) -> None:
    assert faults(send(client, "k", content=body(amount="-1"))) == [("/amount", "negative")]
    assert send(client, "k").status_code == 201


@pytest.mark.django_db
def test_a_conflict_is_an_answer_that_is_kept(client: Client) -> None:
    stored = TransactionFactory(amount="1.00")
    other = body(id=str(stored.pk), user_id=str(stored.user_id))
    first, again = (send(client, "k", content=other) for _ in range(2))
    assert problem(first, 409)["errors"]
    assert (first.content, again["Idempotent-Replayed"]) == (again.content, "true")
    assert again["Content-Type"] == "application/problem+json"


@pytest.mark.django_db
def test_a_failure_undoes_everything_and_the_repetition_is_tried_anew(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("transactions.api.views.explained", lambda *_: 1 / 0)
        problem(send(client, "k"), 500)
    assert not Transaction.objects.exists()
    assert send(client, "k").status_code == 201
    assert Transaction.objects.count() == 1


@pytest.mark.django_db
def test_what_cannot_be_kept_has_no_effect(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "KEEP", "SELECT 1 / 0")
    problem(send(client, "k"), 400)
    assert not Transaction.objects.exists()


@pytest.mark.django_db
def test_a_key_belongs_to_its_owner_and_to_all_their_api_keys() -> None:
    owner = AnalystFactory(is_superuser=True)
    ours = [client_of(keys.create(owner=owner, name=name, scopes=scopes.ALL)[1]) for name in ("one", "two")]
    first = send(ours[0], "k")
    assert send(writer(), "k").content != first.content
    assert send(ours[1], "k").content == first.content
    assert Transaction.objects.count() == 2


@pytest.mark.django_db
def test_a_key_without_the_scope_sees_no_kept_answer() -> None:
    owner = AnalystFactory(is_superuser=True)
    send(client_of(keys.create(owner=owner, name="w", scopes=scopes.ALL)[1]), "k")
    reads = client_of(keys.create(owner=owner, name="r", scopes=scopes.READ)[1])
    problem(send(reads, "k"), 403)


@pytest.mark.django_db
def test_an_answer_is_kept_for_a_day_and_then_forgotten(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "FORGOTTEN_AT_ONCE", 2)
    first = send(client, "k")
    made_old(timedelta(hours=23, minutes=59))
    assert idempotency.forget() == 0
    assert send(client, "k").content == first.content
    made_old(timedelta(hours=24, minutes=1))
    assert send(client, "k").content != first.content
    assert KeptAnswer.objects.count() == 1
    for number in range(5):
        send(client, f"k-{number}")
    made_old(timedelta(hours=25))
    send(client, "new")
    assert idempotency.forget() == 6
    assert [kept.key for kept in KeptAnswer.objects.all()] == ["new"]


def made_old(age: timedelta) -> None:
    KeptAnswer.objects.update(created_at=timezone.now() - age)


@pytest.mark.django_db
def test_reading_takes_no_notice_of_a_key(client: Client) -> None:
    response = client.get(BASE + TRANSACTIONS, headers={"Idempotency-Key": "\x7f"})
    assert response.status_code == 200


@pytest.mark.django_db
def test_a_body_far_too_long_is_not_read_to_its_end(client: Client) -> None:
    send(client, "k")
    response = send(client, "k", content=body(meta_data={"x": "y" * (11 << 20)}))
    problem(response, 422)
    problem(send(client, "new", content=body(meta_data={"x": "y" * 100_000})), 413)


@pytest.mark.django_db(transaction=True)
def test_while_the_first_is_at_work_a_repetition_is_409_and_does_not_wait(client: Client) -> None:
    with somebody_at_work("in-flight"):
        response = send(client, "in-flight")
        assert problem(response, 409)["type"].endswith(":idempotency_key_in_use")
        assert response["Retry-After"] == "1"
        assert send(client, "another").status_code == 201
    assert send(client, "in-flight").status_code == 201


@contextmanager
def somebody_at_work(key: str) -> Iterator[None]:
    """Another connection that has claimed the key and is not done."""
    (owner,) = {one.owner_id for one in keys.ApiKey.objects.all()}
    values = {"lock": idempotency.lock_of(owner, key), "owner": owner, "key": key, "hours": 24}
    with psycopg.connect(**login_of(connection.get_connection_params()), cursor_factory=psycopg.ClientCursor) as other:
        other.execute(idempotency.CLAIM, values)
        yield


@pytest.mark.django_db(transaction=True)
def test_fifty_threads_with_one_key_have_one_effect_and_get_one_answer(tmp_path: Path) -> None:
    authorization = f"Bearer {used_key(*scopes.ALL)}"
    with served(tmp_path / "log") as port:

        def until_answered(_number: int) -> tuple[int, bytes]:
            headers = {"Authorization": authorization, "Content-Type": "application/json", "Idempotency-Key": "fifty"}
            while True:
                status, content = asked(port, headers, json.dumps(body()))
                if status != HTTPStatus.CONFLICT:
                    return status, content
                sleep(0.02)

        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(until_answered, range(50)))
    assert len(set(answers)) == 1
    assert answers[0][0] == HTTPStatus.CREATED
    assert Transaction.objects.count() == KeptAnswer.objects.count() == 1


def asked(port: int, headers: dict[str, str], content: str) -> tuple[int, bytes]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=300)) as server:
        server.request("POST", BASE + TRANSACTIONS, content, headers)
        response = server.getresponse()
        return response.status, response.read()
