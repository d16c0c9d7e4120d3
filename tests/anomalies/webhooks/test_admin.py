"""Webhooks in the admin: made, tried, given new secrets, and what was delivered."""

import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries, Settings

from anomalies import outbox
from anomalies.models import AuditEntry
from anomalies.webhooks import courier, endpoints
from anomalies.webhooks.models import WebhookDelivery, WebhookEndpoint
from tests.anomalies.receivers import Receiver
from tests.factories import AnalystFactory

pytestmark = pytest.mark.django_db
PAGES = "/admin/anomalies/webhookendpoint/"
LOG = "/admin/anomalies/webhookdelivery/"


@pytest.fixture
def operator() -> Client:
    user, client = AnalystFactory(username="otto"), Client()
    user.groups.add(Group.objects.get(name="Operator"))
    client.force_login(user)
    return client


def made(shop: Receiver) -> WebhookEndpoint:
    return endpoints.create(url=shop.url, kinds=["anomaly.created"], owner=AnalystFactory())


def tell(many: int) -> None:
    for number in range(many):
        outbox.emit("anomaly.created", user_id=UUID(int=number), subject=uuid4(), body={"number": number})


def post(client: Client, path: str, **fields: Any) -> str:
    """The page that follows."""
    response = client.post(path, fields, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def secret_in(page: str) -> str:
    found = re.search(r"whsec_[A-Za-z0-9+/=]{44}", page)
    assert found, page
    return found[0]


def test_the_secret_is_shown_once(operator: Client, shop: Receiver) -> None:
    page = post(
        operator,
        f"{PAGES}add/",
        url=shop.url,
        description="Till",
        kinds=["case.opened", "case.closed"],
        enabled="on",
        _continue="1",
    )
    endpoint = WebhookEndpoint.objects.get()
    assert secret_in(page) == endpoint.secret
    assert (endpoint.kinds, endpoint.owner.username) == (["case.opened", "case.closed"], "otto")
    again = operator.get(f"{PAGES}{endpoint.pk}/change/").content.decode()
    assert endpoint.secret not in again
    assert f"whsec_…{endpoint.secret[-5:]}" in again
    page = post(operator, f"{PAGES}{endpoint.pk}/rotate/")
    assert secret_in(page) != endpoint.secret
    told = AuditEntry.objects.filter(action__startswith="webhook.").order_by("position")
    assert [*told.values_list("action", "actor")] == [("webhook.created", "otto"), ("webhook.rotated", "otto")]


def test_a_wrong_url_is_told_at_its_field(operator: Client, settings: Settings) -> None:
    settings.WEBHOOK_ALLOW_HTTP = False
    page = post(operator, f"{PAGES}add/", url="http://example.com/", kinds=["case.opened"], enabled="on")
    assert "Use https: over http anybody" in page
    assert not WebhookEndpoint.objects.exists()


def test_a_change_is_audited_and_leaves_the_secret(operator: Client, shop: Receiver) -> None:
    endpoint = made(shop)
    post(operator, f"{PAGES}{endpoint.pk}/change/", url=endpoint.url, kinds=["verdict.created"], description="")
    changed = WebhookEndpoint.objects.get()
    assert (changed.kinds, changed.enabled, changed.secret) == (["verdict.created"], False, endpoint.secret)
    entry = AuditEntry.objects.get(action="webhook.changed")
    assert entry.after == {"kinds": ["verdict.created"], "enabled": False}


def test_the_test_button_says_what_came_back(operator: Client, shop: Receiver) -> None:
    endpoint = made(shop)
    assert "It answered 204 after" in post(operator, f"{PAGES}{endpoint.pk}/test/")
    assert shop.taken[0].verified(endpoint.secret)["type"] == "webhook.test"
    shop.status_of = lambda _: 500
    assert "500 Internal Server Error. ok" in post(operator, f"{PAGES}{endpoint.pk}/test/")


def test_what_was_given_up_is_sent_again_by_a_button_and_one_by_an_action(operator: Client, shop: Receiver) -> None:
    endpoint = made(shop)
    tell(2)
    courier.deliver_due()
    first = WebhookDelivery.objects.order_by("position")[0]
    WebhookDelivery.objects.filter(pk=first.pk).update(state="dead")
    assert "1 delivery is sent again." in post(operator, f"{PAGES}{endpoint.pk}/replay/")
    courier.deliver_due()
    page = post(operator, LOG, action="send_again", _selected_action=[first.pk])
    assert "1 delivery is sent again." in page
    courier.deliver_due()
    assert shop.numbers() == [0, 1, 0, 0]


def test_the_log_shows_each_attempt_and_is_filtered(
    operator: Client, shop: Receiver, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    endpoint = made(shop)
    shop.status_of = lambda taken: 500 if taken.content["data"]["number"] == 0 else 200
    tell(30)
    courier.deliver_due()
    with django_assert_max_num_queries(12):
        page = operator.get(LOG).content.decode()
    assert page.count("500 Internal Server Error. ok") == 2  # In the cell and its tooltip.
    for state, many in (("waiting", 1), ("delivered", 29), ("dead", 0)):
        found = operator.get(LOG, {"state": state, "endpoint_id": str(endpoint.pk)}).context["cl"].result_list
        assert [one.state for one in found] == [state] * many
    failed = WebhookDelivery.objects.get(state="waiting")
    assert "500 Internal Server Error. ok (" in operator.get(f"{LOG}{failed.pk}/change/").content.decode()


def test_deleting_says_what_goes_and_takes_the_deliveries_along(operator: Client, shop: Receiver) -> None:
    endpoint = made(shop)
    tell(1)
    courier.deliver_due()
    assert operator.get(f"{PAGES}{endpoint.pk}/delete/").status_code == 200
    post(operator, f"{PAGES}{endpoint.pk}/delete/", post="yes")
    assert not WebhookEndpoint.objects.exists()
    assert not WebhookDelivery.objects.exists()
    assert AuditEntry.objects.filter(action="webhook.deleted", actor="otto").exists()


def test_an_empty_log_says_for_how_many_days_it_is_kept(operator: Client, settings: Settings) -> None:
    settings.OUTBOX_DAYS = 23
    assert "It is kept for 23 days." in operator.get(LOG).content.decode()
    assert "No webhook endpoint yet" in operator.get(PAGES).content.decode()


def test_labels_begin_with_capitals(operator: Client) -> None:
    page = operator.get(f"{PAGES}add/").content.decode()
    labels = [text.strip() for text in re.findall(r"<label[^>]*>\s*([A-Za-z][^<]*)", page)]
    assert {"URL", "Description", "Events", "Enabled"} <= set(labels)
    assert [label for label in labels if label[0].islower()] == []


def test_instants_are_shown_and_not_their_markup(operator: Client, shop: Receiver) -> None:
    endpoint = made(shop)
    shop.status_of = lambda _: 500
    tell(1)
    courier.deliver_due()
    for address in (PAGES, f"{PAGES}{endpoint.pk}/change/"):
        page = operator.get(address).content.decode()
        assert re.search(r'1 failures? in a row since <time class="moment"', page)
    page = operator.get(f"{LOG}{WebhookDelivery.objects.get().pk}/change/").content.decode()
    assert re.search(r"</time>: 500 Internal Server Error\. ok \(\d+ ms\)", page)
    assert "&lt;time" not in page
