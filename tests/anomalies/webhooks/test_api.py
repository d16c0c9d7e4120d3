"""Webhooks over HTTP: made, changed, tried, given new secrets, removed; deliveries listed and sent again."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries, Settings

from anomalies import outbox
from anomalies.models import AuditEntry
from anomalies.webhooks import courier
from anomalies.webhooks.models import WebhookDelivery, WebhookEndpoint
from tests.anomalies.receivers import Receiver
from tests.api import BASE, client_of, faults, post, problem, reader, results, writer
from tests.factories import AnalystFactory
from transactions import keys, scopes

pytestmark = pytest.mark.django_db


def patch(client: Client, path: str, body: dict[str, Any]) -> Any:
    return client.patch(BASE + path, body, content_type="application/json")


def made(client: Client, url: str = "https://example.com/", **more: Any) -> dict[str, Any]:
    response = post(client, "webhooks/", {"url": url, "events": ["anomaly.created"], **more})
    assert response.status_code == 201, response.content
    found: dict[str, Any] = response.json()
    return found


def tell(many: int) -> None:
    for number in range(many):
        outbox.emit("anomaly.created", user_id=UUID(int=number), subject=uuid4(), body={"number": number})


def test_the_secret_is_answered_once_and_signs_what_comes(shop: Receiver) -> None:
    client = writer()
    one = made(client, shop.url, description="Till", enabled=True)
    assert (one["events"], one["description"], one["failures"]) == (["anomaly.created"], "Till", 0)
    shown = client.get(f"{BASE}webhooks/{one['id']}/").json()
    assert shown == {name: value for name, value in one.items() if name != "secret"}
    assert results(client, "webhooks/") == [shown]
    tell(1)
    courier.deliver_due()
    assert shop.taken[0].verified(one["secret"])["data"] == {"number": 0}
    new = post(client, f"webhooks/{one['id']}/rotate/", {}).json()
    assert new["secret"] != one["secret"]
    tell(1)
    courier.deliver_due()
    assert shop.taken[1].verified(one["secret"]) == shop.taken[1].verified(new["secret"])


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"url": "ftp://example.com/"}, ("/url", "invalid")),
        ({"url": "https://me:word@example.com/"}, ("/url", "invalid")),
        ({"url": None}, ("/url", "null")),
        ({"events": []}, ("/events", "empty")),
        ({"events": ["anomaly.lost"]}, ("/events/0", "invalid_choice")),
        ({"events": "anomaly.created"}, ("/events", "not_a_list")),
        ({"enabled": "yes"}, ("/enabled", "invalid")),
        ({"description": "x" * 201}, ("/description", "max_length")),
        ({"secret": "whsec_AAAA"}, ("/secret", "unknown_field")),
    ],
)
def test_what_cannot_be_an_endpoint_is_refused_as_new_and_as_a_change(
    body: dict[str, Any], fault: tuple[str, str]
) -> None:
    client = writer()
    whole = {"url": "https://example.com/", "events": ["case.opened"], **body}
    assert faults(post(client, "webhooks/", whole)) == [fault]
    one = made(client)
    assert faults(patch(client, f"webhooks/{one['id']}/", body)) == [fault]
    assert WebhookEndpoint.objects.count() == 1


def test_a_change_changes_only_what_it_names() -> None:
    client = writer()
    one = made(client, description="Till")
    changed = patch(client, f"webhooks/{one['id']}/", {"enabled": False, "events": ["case.closed", "case.opened"]})
    assert changed.json()["events"] == ["case.opened", "case.closed"]
    assert (changed.json()["enabled"], changed.json()["description"]) == (False, "Till")
    assert AuditEntry.objects.get(action="webhook.changed").before == {"kinds": ["anomaly.created"], "enabled": True}


def test_what_is_removed_is_gone() -> None:
    client = writer()
    path = f"{BASE}webhooks/{made(client)['id']}/"
    assert client.delete(path).status_code == 204
    problem(client.get(path), 404)
    problem(client.delete(path), 404)
    for name in ("test", "rotate", "replay"):
        problem(client.post(f"{path}{name}/", {}, content_type="application/json"), 404)


def test_a_test_says_what_came_back(shop: Receiver, settings: Settings) -> None:
    client = writer()
    path = f"webhooks/{made(client, shop.url)['id']}/test/"
    assert post(client, path, {}).json().items() >= {"taken": True, "status": 204, "error": None}.items()
    settings.WEBHOOK_ALLOW_PRIVATE = False
    refused = {"taken": False, "status": None, "error": "127.0.0.1 leads to no public address."}
    assert post(client, path, {}).json().items() >= refused.items()


def test_deliveries_are_listed_and_sent_again(
    shop: Receiver, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = writer()
    one = made(client, shop.url)
    tell(3)
    courier.deliver_due()
    with django_assert_max_num_queries(2):
        found = results(client, "webhook-deliveries/", endpoint_id=one["id"], state="delivered")
    assert [(row["event"], row["status"], row["attempts"]) for row in found] == [("anomaly.created", 204, 1)] * 3
    again = post(client, f"webhook-deliveries/{found[0]['id']}/replay/", {})
    assert again.json() == {"deliveries": 1}
    assert post(client, f"webhook-deliveries/{found[0]['id']}/replay/", {}).json() == {"deliveries": 0}
    problem(post(client, f"webhook-deliveries/{uuid4()}/replay/", {}), 404)
    WebhookDelivery.objects.exclude(pk=found[0]["id"]).update(state="dead", finished_at=timezone.now())
    later, ever = {"since": "2100-01-01T00:00:00Z"}, {"since": "2000-01-01T00:00:00Z"}
    assert post(client, f"webhooks/{one['id']}/replay/", later).json() == {"deliveries": 0}
    assert post(client, f"webhooks/{one['id']}/replay/", ever).json() == {"deliveries": 2}
    assert faults(post(client, f"webhooks/{one['id']}/replay/", {"since": "now"})) == [("/since", "not_a_time")]
    courier.deliver_due()
    assert len(shop.taken) == 6


def test_only_who_manages_webhooks_sees_them() -> None:
    endpoint = made(writer())
    viewer, operator = AnalystFactory(), AnalystFactory()
    viewer.groups.add(Group.objects.get(name="Viewer"))
    operator.groups.add(Group.objects.get(name="Operator"))
    of_viewer, of_operator = (
        client_of(keys.create(owner=owner, name="k", scopes=scopes.ALL)[1]) for owner in (viewer, operator)
    )
    for path in ("webhooks/", f"webhooks/{endpoint['id']}/", "webhook-deliveries/"):
        problem(of_viewer.get(BASE + path), 403)
        assert of_operator.get(BASE + path).status_code == 200
    problem(post(of_viewer, "webhooks/", {}), 403)
    problem(post(reader(), "webhooks/", {}), 403)
    problem(post(of_operator, "webhooks/", {}), 400)
