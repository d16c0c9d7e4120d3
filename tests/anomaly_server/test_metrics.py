"""/metrics: who may read it, and that what it says adds up."""

import json
import re
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django.fixtures import Settings

from anomalies.events import OutboxEvent
from anomalies.models import PendingScore, Reference
from anomalies.webhooks.models import WebhookDelivery, WebhookEndpoint
from anomaly_server import metrics
from tests.api import BASE, post, reader, writer
from tests.factories import START

pytestmark = pytest.mark.django_db
TOKEN = "scrapes-0123456789"
OUTCOMES = ("accepted", "duplicate", "conflict", "rejected")


def read(client: Client | None = None, **headers: str) -> dict[str, float]:
    """Every sample by its name and labels."""
    response = (client or Client()).get("/metrics", headers=headers)
    assert response.status_code == 200, response.content
    return {
        sample.name + "".join(f" {name}={value}" for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


def grown(before: dict[str, float], after: dict[str, float], name: str) -> float:
    return after.get(name, 0) - before.get(name, 0)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_without_a_token_this_machine_may_read(address: str) -> None:
    assert read(Client(REMOTE_ADDR=address))["database_up"] == 1


@pytest.mark.parametrize(
    "client",
    [
        Client(REMOTE_ADDR="10.0.0.7"),
        Client(REMOTE_ADDR=""),
        Client(headers={"X-Forwarded-For": "10.0.0.7"}),
        Client(headers={"X-Forwarded-Proto": "https"}),
        Client(headers={"Forwarded": "for=10.0.0.7"}),
    ],
)
def test_nobody_else_may(client: Client) -> None:
    response = client.get("/metrics")
    assert (response.status_code, response.content) == (401, b"Not for you.\n")


def test_a_page_that_names_this_machine_otherwise_may_not() -> None:
    assert Client().get("/metrics", headers={"Host": "rebound.example"}).status_code == 400


def test_with_a_token_only_who_sends_it_may_read(settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN
    assert read(Client(REMOTE_ADDR="10.0.0.7"), Authorization=f"Bearer {TOKEN}")["database_up"] == 1
    for sent in ({}, {"Authorization": TOKEN}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": "Bearer é"}):
        assert Client().get("/metrics", headers=sent).status_code == 401


def test_received_is_accepted_duplicate_conflict_and_rejected() -> None:
    client, before = writer(), read()
    good = {
        "id": str(uuid4()), "user_id": str(UUID(int=7)), "amount": "9.90", "currency": "EUR",
        "txn_date": START.isoformat(), "status": "completed", "meta_data": {},
    }  # fmt: skip
    bodies: list[Any] = [good, good, good, {**good, "amount": "9.91"}, {**good, "amount": "-1"}, "{", [], ""]
    statuses = [post(client, "transactions/", body if body == "" else json.dumps(body)).status_code for body in bodies]
    statuses.append(post(client, "transactions/", "{").status_code)
    after = read()
    assert statuses == [201, 200, 200, 409, 400, 400, 400, 400, 400]
    counts = [grown(before, after, f"transactions_outcomes_total outcome={name}") for name in OUTCOMES]
    assert counts == [1, 2, 1, 5]
    assert grown(before, after, "transactions_received_total") == sum(counts) == len(statuses)
    assert grown(before, after, "scoring_duration_seconds_count") == 3


def test_latency_is_told_by_route_method_and_status() -> None:
    client, before = reader(), read()
    for number in (1, 2):
        client.get(f"{BASE}transactions/{UUID(int=number)}/")
    client.get(f"{BASE}transactions/")
    client.generic("BREW", f"{BASE}transactions/")
    client.generic("STEEP", f"{BASE}transactions/")
    after = read()
    count = "http_request_duration_seconds_count method={} route=api/v1/transactions/{} status={}"
    told = [("GET", "<uuid:id>/", 404), ("GET", "", 200), ("other", "", 405)]
    assert [grown(before, after, count.format(*one)) for one in told] == [2, 1, 2]


def test_it_tells_who_waits_and_how_old_the_reference_is() -> None:
    before = read()
    PendingScore.objects.create(user_id=UUID(int=7), since=START)
    until = timezone.now() - timedelta(hours=2)
    Reference.objects.create(since=START, until=until, rows=1, payload=b"", version=99)
    after = read()
    assert grown(before, after, "pending_users") == 1
    assert "reference_age_seconds" not in before
    assert 7_100 < after["reference_age_seconds"] < 7_300


def endpoint(**more: Any) -> WebhookEndpoint:
    return WebhookEndpoint.objects.create(url="https://a.example/", kinds=["case.opened"], sealed_secret="s", **more)


def delivery(endpoint: WebhookEndpoint, *, hours: int, state: str = "waiting") -> None:
    now = timezone.now()
    WebhookDelivery.objects.create(
        endpoint=endpoint, event_id=uuid4(), kind="case.opened", position=1, state=state,
        give_up_at=now, created_at=now - timedelta(hours=hours),
    )  # fmt: skip


def event(*, hours: int, position: int | None) -> None:
    at = timezone.now() - timedelta(hours=hours)
    OutboxEvent.objects.create(kind="case.opened", subject=uuid4(), body={}, at=at, position=position)


def lag(found: dict[str, float]) -> tuple[int, int]:
    """Hours, and how many wait."""
    return round(found["webhook_lag_seconds"] / 3_600), int(found["webhook_deliveries_waiting"])


def test_it_tells_what_waits_at_webhook_endpoints_and_for_how_long() -> None:
    first, second = endpoint(position=5), endpoint(position=5)
    event(hours=50, position=5)
    delivery(first, hours=9, state="delivered")
    delivery(first, hours=9, state="dead")
    delivery(endpoint(position=5, enabled=False), hours=9)
    assert lag(read()) == (0, 0)
    assert read()["webhook_lag_seconds"] == 0
    for hours in (1, 3):
        delivery(first, hours=hours)
    delivery(second, hours=2)
    assert lag(read()) == (3, 3)


def test_what_no_worker_has_looked_at_is_lag_too() -> None:
    event(hours=7, position=None)
    assert lag(read()) == (0, 0), "Nobody is to hear of it."
    endpoint(position=4)
    assert lag(read()) == (7, 0)
    event(hours=8, position=5)
    assert lag(read()) == (8, 0)


@pytest.mark.parametrize(
    ("name", "indexes"),
    [
        ("webhook_lag_seconds", {"ix_webhook_waiting", "one_event_is_at_a_position", "ix_outbox_unplaced"}),
        # Any that has only what waits.
        ("webhook_deliveries_waiting", {"ix_webhook_waiting", "ix_webhook_user"}),
    ],
)
def test_what_waits_is_found_by_indexes(name: str, indexes: set[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute("EXPLAIN " + metrics.ASKED[name][1])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    used = set(re.findall(r"Scan using (\w+)", plan)) - {"webhook_endpoints_pkey"}
    assert used
    assert used <= indexes
    assert "Sort" not in plan


def test_it_answers_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "cursor", away)
    found = read()
    assert found["database_up"] == 0
    assert "pending_users" not in found
