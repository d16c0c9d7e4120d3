"""The same transaction sent again: the same score and the same explanation, whatever has become of it since."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client

from anomalies.models import Anomaly
from tests.api import BASE, post, writer
from tests.transactions import traffic
from transactions import backlog, intake

pytestmark = pytest.mark.django_db
SCORE = ("score", "rarity", "level", "raw", "reasons", "unscored")
NOW = traffic.START + timedelta(days=40, hours=1)


@pytest.fixture
def client() -> Client:
    return writer()


@pytest.fixture
def people() -> list[UUID]:
    """Users with a past, and what is ordinary among them."""
    rows = traffic.rows(2500)
    intake.take(rows, score=False)
    backlog.score_pending()
    return sorted({row.user_id for row in rows})


def body(user: UUID, amount: str, **later: float) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "user_id": str(user),
        "amount": amount,
        "currency": "EUR",
        "txn_date": (NOW + timedelta(**later)).isoformat(),
        "status": "completed",
        "meta_data": {},
    }


def score(answer: Any) -> dict[str, Any]:
    told: dict[str, Any] = answer.json()
    return {name: told[name] for name in SCORE}


def explanation(client: Client, sent: dict[str, Any]) -> dict[str, Any]:
    return score(client.get(f"{BASE}transactions/{sent['id']}/explanation/"))


def again(client: Client, sent: dict[str, Any]) -> dict[str, Any]:
    """The score that a repetition is answered, which is what the explanation says."""
    answer = post(client, "transactions/", sent)
    assert answer.status_code == 200
    assert score(answer) == explanation(client, sent)
    return score(answer)


def once(client: Client, sent: dict[str, Any]) -> Any:
    more: Any = {"headers": {"Idempotency-Key": "once"}}
    return client.post(f"{BASE}transactions/", sent, content_type="application/json", **more)


@pytest.mark.parametrize("amount", ["9.90", "250.00", "9000.00"])
def test_it_has_the_same_score_and_reasons(client: Client, people: list[UUID], amount: str) -> None:
    sent = body(people[0], amount)
    first = score(post(client, "transactions/", sent))
    assert first["score"] is not None
    assert again(client, sent) == first
    backlog.score_pending()
    assert again(client, sent) == first


def test_what_comes_later_changes_nothing(client: Client, people: list[UUID]) -> None:
    sent = body(people[0], "9000.00")
    first = score(post(client, "transactions/", sent))
    for number in range(1, 20):
        post(client, "transactions/", body(people[0], "9500.00", minutes=number))
    backlog.score_pending()
    assert again(client, sent) == first


def test_one_that_became_an_anomaly_by_what_came_late_is_told_as_one(client: Client, people: list[UUID]) -> None:
    user = uuid4()
    sent = body(user, "150.00")
    first = score(post(client, "transactions/", sent))
    assert not Anomaly.objects.filter(pk=sent["id"]).exists()
    # The weeks before it, which tell that its user pays small amounts.
    for number in range(1, 40):
        post(client, "transactions/", body(user, "5.00", hours=-20 * number))
    backlog.score_pending()
    now = again(client, sent)
    kept = Anomaly.objects.get(pk=sent["id"])
    assert first["score"] < 40 <= now["score"] == kept.score
    assert now["raw"] == kept.raw
    assert [{**reason, "sentence": None} for reason in now["reasons"]] == [
        {**reason, "sentence": None} for reason in kept.reasons
    ]
    assert again(client, sent) == now


def test_with_its_idempotency_key_it_is_answered_as_the_first_time(client: Client, people: list[UUID]) -> None:
    """Byte for byte, whatever has changed: that is what the key promises."""
    user = uuid4()
    sent = body(user, "150.00")
    first = once(client, sent)
    for number in range(1, 40):
        post(client, "transactions/", body(user, "5.00", hours=-20 * number))
    backlog.score_pending()
    second = once(client, sent)
    assert second.content == first.content
    assert again(client, sent) != score(first)
