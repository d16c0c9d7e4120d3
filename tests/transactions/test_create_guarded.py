"""The statement that stores asks for a key that was good a moment ago; as soon as it is not, nothing is stored."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from prometheus_client import REGISTRY
from pytest_django.fixtures import Settings

from anomalies.models import PendingScore
from tests.api import BASE, client_of, post, problem, used_key
from tests.transactions.test_api_guarded import deleted, expired, orphaned, revoked, with_another_secret
from transactions import limits, scopes
from transactions.models import ApiKey, Transaction

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "transactions/"


@pytest.fixture(autouse=True)
def _unscored(settings: Settings) -> None:
    settings.LIVE_SCORING = False


@pytest.fixture
def text() -> str:
    """A key that this process has just seen to be good."""
    text = used_key(*scopes.ALL)
    assert client_of(text).get(f"{BASE}{PATH}?limit=1").status_code == 200
    return text


def body(**more: Any) -> dict[str, Any]:
    made = {"amount": "12.50", "currency": "EUR", "txn_date": datetime.now(UTC).isoformat(), "status": "completed"}
    return {"id": str(uuid4()), "user_id": str(uuid4()), **made, **more}


def received() -> float:
    return REGISTRY.get_sample_value("transactions_received_total") or 0.0


def test_one_statement_asks_for_the_key_stores_and_marks(text: str) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert post(client_of(text), PATH, body()).status_code == 201
    (query,) = queries.captured_queries
    assert all(name in query["sql"] for name in ("api_keys", "INSERT INTO transactions", "pending_scores"))


@pytest.mark.parametrize("ended", [revoked, expired, orphaned, deleted, with_another_secret])
@pytest.mark.parametrize("sent", [{}, {"amount": "much"}, b"[", {"id": None, "surplus": 1}])
def test_a_key_that_ends_stores_nothing_from_the_next_request_on(
    text: str, ended: Callable[[ApiKey], None], sent: Any
) -> None:
    ended(ApiKey.objects.get())
    before = received()
    problem(post(client_of(text), PATH, sent if isinstance(sent, bytes) else body(**sent)), 401)
    assert not Transaction.objects.exists()
    assert not PendingScore.objects.exists()
    assert received() == before


@pytest.mark.parametrize("sent", [{}, {"amount": "much"}])
def test_what_a_key_may_do_counts_from_the_next_request_on(text: str, sent: Any) -> None:
    ApiKey.objects.update(scopes=["transactions:read"])
    problem(post(client_of(text), PATH, body(**sent)), 403)
    assert not Transaction.objects.exists()
    ApiKey.objects.update(scopes=["transactions:write"])
    assert post(client_of(text), PATH, body()).status_code == 201


def test_a_lower_limit_counts_from_the_next_request_on(text: str) -> None:
    ApiKey.objects.update(rate_limit=1)
    assert [post(client_of(text), PATH, body()).status_code for _ in range(2)] == [201, 429]
    assert Transaction.objects.count() == 1


def test_the_same_again_and_other_content_are_answered_as_ever(text: str) -> None:
    sent = body()
    first = post(client_of(text), PATH, sent)
    again = post(client_of(text), PATH, sent)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first["Location"] == again["Location"] == f"http://testserver{BASE}{PATH}{sent['id']}/"
    assert problem(post(client_of(text), PATH, {**sent, "amount": "1.00"}), 409)["errors"][0]["pointer"] == "/amount"
    assert Transaction.objects.count() == 1


@pytest.mark.parametrize("change", [{}, {"status": "failed"}, {"amount": "much"}])
def test_a_request_is_counted_once_when_the_key_is_looked_up_after_all(
    text: str, monkeypatch: pytest.MonkeyPatch, change: dict[str, str]
) -> None:
    ApiKey.objects.update(rate_limit=1000)
    client, sent = client_of(text), body()
    post(client, PATH, sent)
    asked: list[int] = []
    monkeypatch.setattr(limits, "ask", lambda _prefix, limit: asked.append(limit) or limits.Verdict(True, 1, 1.0))
    before = received()
    assert post(client, PATH, {**sent, **change}).status_code in {200, 400, 409}
    assert asked == [1000]
    assert received() == before + 1


def test_an_idempotency_key_takes_several_statements_so_the_key_is_looked_up_first(text: str) -> None:
    ApiKey.objects.update(revoked=True)
    sent = {"data": body(), "content_type": "application/json", "headers": {"Idempotency-Key": "k"}}
    with CaptureQueriesContext(connection) as queries:
        problem(client_of(text).post(BASE + PATH, **sent), 401)
    assert ["INSERT" in query["sql"] for query in queries.captured_queries] == [False]
