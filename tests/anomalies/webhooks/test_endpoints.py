"""What becomes of endpoints, of what was given up, and of what is old."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Q
from django.utils import timezone
from pytest_django.fixtures import Settings

from anomalies import outbox
from anomalies.events import OutboxEvent
from anomalies.models import AuditEntry
from anomalies.webhooks import deliveries, endpoints
from anomalies.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from tests.anomalies.receivers import Receiver, nobody
from tests.anomalies.webhooks.telling import endpoint, failing, later, send, states, succeed, tell

pytestmark = pytest.mark.django_db


class TestEndpoints:
    def test_whoever_answers_gone_is_disabled_and_it_is_written_down(self, shop: Receiver) -> None:
        endpoint(shop.url)
        shop.status_of = failing(status=410)
        tell(1)
        send()
        found = WebhookEndpoint.objects.get()
        assert (found.enabled, found.disabled_reason) == (False, "It answered 410 Gone.")
        assert AuditEntry.objects.filter(action="webhook.disabled", actor="").count() == 1
        later(days=1)
        tell(2)
        send()
        assert len(shop.taken) == 1

    def test_an_endpoint_that_was_silent_for_72_hours_is_disabled(self) -> None:
        endpoint(nobody())
        tell(1)
        send()
        later(hours=73)
        send()
        found = WebhookEndpoint.objects.get()
        assert not found.enabled
        assert found.disabled_reason.startswith("No delivery has succeeded since ")

    def test_enabled_again_it_is_told_what_waited_and_what_comes_not_what_was(self, shop: Receiver) -> None:
        one = endpoint(shop.url)
        shop.status_of = failing(1)
        tell(1)
        send()
        endpoints.change(one, by=None, enabled=False)
        tell(2)
        send()
        shop.status_of = failing(100)
        endpoints.change(one, by=None, enabled=True)
        tell(3)
        later(minutes=1)
        send()
        assert shop.numbers() == [1, 1, 3]

    def test_the_test_message_says_what_came_back(self, shop: Receiver) -> None:
        one = endpoint(shop.url)
        answer = endpoints.test(one, by=None)
        assert answer.status == 204
        assert shop.taken[0].verified(one.secret)["type"] == "webhook.test"
        shop.status_of = lambda _: 403
        assert endpoints.test(one, by=None).error == "403 Forbidden. ok"
        assert AuditEntry.objects.filter(action="webhook.tested").count() == 2
        assert WebhookDelivery.objects.count() == 0

    def test_removed_with_all_that_waits_for_it(self, shop: Receiver) -> None:
        one = endpoint(shop.url)
        shop.status_of = failing()
        tell(1, 2)
        send()
        endpoints.remove(one, by=None)
        send()
        assert (WebhookDelivery.objects.count(), WebhookAttempt.objects.count()) == (0, 0)
        assert len(shop.taken) == 1

    @pytest.mark.parametrize(
        ("field", "given"),
        [("url", {"url": "ftp://example.com"}), ("kinds", {"kinds": []}), ("kinds", {"kinds": ["x"]})],
    )
    def test_what_cannot_be_an_endpoint_is_refused(self, field: str, given: dict[str, Any]) -> None:
        with pytest.raises(endpoints.EndpointError) as fault:
            endpoints.create(**{"url": "https://example.com/", "kinds": ["case.opened"], "owner": None, **given})
        assert fault.value.field == field

    def test_http_is_refused_unless_a_setting_allows_it(self, settings: Settings) -> None:
        settings.WEBHOOK_ALLOW_HTTP = False
        with pytest.raises(endpoints.EndpointError, match="https"):
            endpoint("http://example.com/")

    def test_no_secret_is_in_the_audit_log(self, shop: Receiver) -> None:
        one = endpoint(shop.url)
        new = endpoints.rotate(one, by=None)
        endpoints.change(new, by=None, description="Till")
        endpoints.remove(new, by=None)
        actions = [entry.action for entry in AuditEntry.objects.order_by("position")]
        assert actions == ["webhook.created", "webhook.rotated", "webhook.changed", "webhook.deleted"]
        log = str(list(AuditEntry.objects.values()))
        assert one.secret not in log
        assert new.secret not in log


class TestReplay:
    def test_all_that_was_given_up_is_sent_again_in_order(self, shop: Receiver) -> None:
        one = endpoint(shop.url)
        shop.status_of = failing(2, 3)
        tell(1, 2, 3, 4)
        for _ in range(3):
            send()
            succeed()
            later(hours=73)
        assert states()[:4] == ["delivered", "dead", "dead", "delivered"]
        shop.status_of = failing(100)
        shop.taken.clear()
        assert deliveries.replay(one, deliveries.failed_since(timezone.now()), by=None) == 0
        assert deliveries.replay(one, deliveries.failed_since(None), by=None) == 2
        send()
        assert shop.numbers() == [2, 3]
        assert AuditEntry.objects.get(action="webhook.replayed").after == {"deliveries": 2}

    def test_one_that_arrived_is_sent_again_with_its_id(self, shop: Receiver) -> None:
        one = endpoint(shop.url)
        tell(1, 2)
        send()
        first = WebhookDelivery.objects.order_by("position")[0]
        assert deliveries.replay(one, Q(pk=first.pk), by=None) == 1
        send()
        assert shop.numbers() == [1, 2, 1]
        assert shop.taken[0].headers["Webhook-Id"] == shop.taken[2].headers["Webhook-Id"]


class TestRetention:
    def test_old_events_go_with_the_log_of_their_deliveries(self, shop: Receiver) -> None:
        endpoint(shop.url)
        tell(1)
        send()
        OutboxEvent.objects.update(at=timezone.now() - timedelta(days=8))
        tell(2)
        send()
        assert deliveries.prune() == 1
        assert OutboxEvent.objects.count() == WebhookDelivery.objects.count() == WebhookAttempt.objects.count() == 1

    def test_what_waits_stays_and_so_does_what_is_not_written_down_yet(self, shop: Receiver) -> None:
        endpoint(shop.url)
        shop.status_of = failing()
        tell(1)
        send()
        tell(2)
        outbox.place()
        OutboxEvent.objects.update(at=timezone.now() - timedelta(days=8))
        assert deliveries.prune() == 0

    def test_a_disabled_endpoint_keeps_nothing_for_ever(self, shop: Receiver) -> None:
        one = endpoint(shop.url)
        shop.status_of = failing()
        tell(1)
        send()
        endpoints.change(one, by=None, enabled=False)
        later(days=8)
        OutboxEvent.objects.update(at=timezone.now() - timedelta(days=8))
        assert deliveries.prune() == 1
        assert WebhookDelivery.objects.count() == 0
