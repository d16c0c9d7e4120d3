"""The Python client in clients/python, against the real server."""

import json
import tomllib
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from anomaly_client import (
    Client,
    Conflict,
    Invalid,
    NotAllowed,
    NotFound,
    ServerFault,
    TooManyRequests,
    Unreachable,
)
from anomaly_client.sending import asked_wait, backoff

from tests.contract.conftest import Served
from tests.contract.payments import START, new
from tests.contract.proxies import Gone, answering, spoiled

BUSY = json.dumps({"type": "urn:anomaly-server:problem:unavailable", "detail": "Away.", "errors": []}).encode()


def stranger(address: str, **more: Any) -> None:
    """Ask for some user, with a key that nobody made."""
    with Client(address, "secret", **more) as client:
        client.user(uuid4())


def test_a_transaction_is_stored_scored_and_read_with_exact_money(client: Client) -> None:
    sent = new(amount=Decimal("123456789012345678.90"), meta_data={"merchant_id": "shop-7"})
    created = client.create(sent)
    assert (created.id, created.amount, created.txn_date) == (sent.id, sent.amount, sent.txn_date)
    assert created.merchant_id == "shop-7"
    assert created.score is not None or created.unscored is not None
    assert client.transaction(sent.id).received_at == created.received_at
    assert client.explanation(sent.id).transaction_id == sent.id


def test_what_would_lose_digits_or_a_zone_is_refused_before_it_is_sent() -> None:
    with pytest.raises(TypeError, match="must be a Decimal"):
        new(amount=12.5)
    with pytest.raises(ValueError, match="must know its time zone"):
        new(txn_date=START.replace(tzinfo=None))


def test_the_pages_of_a_list_are_one_iterator(client: Client) -> None:
    user = uuid4()
    made = [client.create(new(user_id=user, txn_date=START + timedelta(minutes=n))).id for n in range(5)]
    listed = client.transactions(user_id=user, limit=2, from_date=START)
    assert [one.id for one in listed] == made[::-1]
    assert user in {one.user_id for one in client.users()}


def test_a_create_whose_answer_was_lost_is_sent_again_and_stores_one_row(served: Served) -> None:
    user, lost = uuid4(), []

    def spoil(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        if path == "/api/v1/transactions/" and len(lost) < 2:
            lost.append(json.loads(body)["id"])
            raise Gone
        return status, body

    waits: list[float] = []
    with spoiled(served.address, spoil) as address, Client(address, served.key, sleep=waits.append) as client:
        created = client.create(new(user_id=user))
        assert [one.id for one in client.transactions(user_id=user)] == [created.id]
    assert lost == [str(created.id)] * 2
    assert len(waits) == 2


def test_a_verdict_whose_answer_was_lost_is_given_once(served: Served, client: Client) -> None:
    """It has no id of its own: the idempotency key alone makes it safe."""
    transaction, lost = client.create(new()), []

    def spoil(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        if status == 201 and not lost:
            lost.append(path)
            raise Gone
        return status, body

    with spoiled(served.address, spoil) as address, Client(address, served.key, sleep=lambda _: None) as other:
        given = other.give_verdict(transaction.id, "fraud", note="claim 4711", known_at=START)
    assert lost
    assert [one.id for one in client.verdicts(transaction_id=transaction.id)] == [given.id]
    assert (given.value, given.note, given.known_at) == ("fraud", "claim 4711", START)


def test_a_case_is_taken_released_and_closed(client: Client) -> None:
    case = client.next_case()
    assert case is not None
    assert case.state == "claimed"
    assert client.claim_case(case.id).state == "claimed"
    assert client.release_case(case.id).state == "open"
    assert client.close_case(case.id, "legitimate").outcome == "legitimate"
    with pytest.raises(Conflict, match="was closed as legitimate"):
        client.claim_case(case.id)
    assert case.id in {one.id for one in client.cases(state="closed")}


def test_an_anomaly_and_its_user_are_read(client: Client, served: Served) -> None:
    user = UUID(served.ids["user"])
    (anomaly,) = client.anomalies(user_id=user)
    assert str(anomaly.transaction_id) == served.ids["transaction"]
    assert anomaly.amount == Decimal("10.00")
    assert client.user(user)["anomaly_count"] == 1


def test_errors_are_typed_and_name_the_fields(client: Client, served: Served) -> None:
    sent = new()
    client.create(sent)
    with pytest.raises(Conflict) as conflict:
        client.create(replace(sent, amount=Decimal("13")))
    assert [(one.pointer, one.code) for one in conflict.value.faults] == [("/amount", "conflict")]
    with pytest.raises(Invalid) as invalid:
        client.create(new(amount=Decimal("-1"), currency="XXY"))
    assert {one.pointer for one in invalid.value.faults} == {"/amount", "/currency"}
    with pytest.raises(NotFound):
        client.transaction(uuid4())
    with pytest.raises(NotAllowed):
        stranger(served.address)


def test_retry_after_is_kept_and_a_longer_wait_than_that_is_an_error() -> None:
    waits: list[float] = []
    with (
        answering([(503, {"Retry-After": "3"}, BUSY), (429, {"Retry-After": "3600"}, BUSY)]) as address,
        pytest.raises(TooManyRequests),
    ):
        stranger(address, sleep=waits.append)
    assert waits == [3.0]


def test_after_all_tries_it_says_so_without_the_key() -> None:
    with answering([(503, {}, BUSY)] * 2) as address, pytest.raises(ServerFault, match="unavailable"):
        stranger(address, tries=2, sleep=lambda _: None)
    with answering([(502, {}, b"<html>")]) as address, pytest.raises(ServerFault, match="no problem document"):
        stranger(address, tries=1)
    client = Client("http://127.0.0.1:1", "secret", tries=2, sleep=lambda _: None)
    with pytest.raises(Unreachable) as gone:
        client.user(uuid4())
    assert "secret" not in repr(client) + repr(gone.value) + str(gone.value.__context__)


def test_a_silent_server_is_given_up() -> None:
    """Before it hangs up by itself after a minute: then it would be no timeout."""
    with answering([None]) as address, pytest.raises(Unreachable, match="Timeout"):
        stranger(address, tries=1, timeout_s=0.2)


def test_the_key_goes_to_no_other_server() -> None:
    seen: list[str] = []

    def note(asked: BaseHTTPRequestHandler) -> None:
        seen.append(asked.path)

    page = json.dumps({"next": "http://elsewhere.example/api/v1/users/?cursor=x", "results": []}).encode()
    last = json.dumps({"next": None, "results": []}).encode()
    with answering([(200, {}, page), (200, {}, last)], note) as address, Client(address, "key") as client:
        assert list(client.users()) == []
    assert seen == ["/api/v1/users/?", "/api/v1/users/?cursor=x"]


def test_waits_grow_and_differ() -> None:
    assert 0.125 <= backoff(0) <= 0.25
    assert 15 <= backoff(30) <= 30
    assert len({backoff(3) for _ in range(5)}) > 1
    assert asked_wait({"retry-after": "7"}) == 7
    assert asked_wait({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}) == 0


def test_fields_that_a_newer_server_adds_are_passed_over() -> None:
    body = {"user_id": str(uuid4()), "first_seen": "2024-06-01T12:00:00Z", "last_seen": "2024-06-01T12:00:00Z"}
    page = json.dumps({"next": None, "results": [{**body, "open_case_id": None, "new": 1}]}).encode()
    with answering([(200, {}, page)]) as address, Client(address, "key") as client:
        (user,) = client.users()
    assert user.first_seen == START


def test_the_client_asks_for_no_other_package() -> None:
    project = (Path(__file__).resolve().parents[2] / "clients" / "python" / "pyproject.toml").read_text()
    assert "dependencies" not in tomllib.loads(project)["project"]
