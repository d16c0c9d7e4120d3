"""From the outbox to real receivers: signed, and again after a failure."""

import time
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django.fixtures import Settings
from standardwebhooks import WebhookVerificationError

from anomalies.events import OutboxEvent
from anomalies.webhooks import deliveries, endpoints
from anomalies.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from tests.anomalies.receivers import FOR_EVER_S, Receiver, Taken, nobody, silent
from tests.anomalies.webhooks.telling import endpoint, failing, later, send, states, tell

pytestmark = pytest.mark.django_db


class TestMessages:
    def test_a_message_is_signed_and_says_what_happened_and_when(self, shop: Receiver) -> None:
        one = endpoint(shop.url + "hooks?of=us")
        tell(7)
        send()
        (taken,) = shop.taken
        event = OutboxEvent.objects.get()
        told = taken.verified(one.secret)
        assert told.keys() == {"type", "timestamp", "data"}
        assert (told["type"], told["data"]) == ("anomaly.created", {"number": 7})
        assert told["timestamp"] == event.at.isoformat().replace("+00:00", "Z")
        assert taken.path == "/hooks?of=us"
        assert taken.headers["Webhook-Id"] == f"evt_{event.pk}"
        assert taken.headers["Content-Type"] == "application/json"
        assert states() == ["delivered"]

    def test_a_message_that_was_changed_is_not_let_through(self, shop: Receiver) -> None:
        one = endpoint(shop.url)
        tell(7)
        send()
        (taken,) = shop.taken
        with pytest.raises(WebhookVerificationError):
            Taken(taken.path, taken.headers, taken.body.replace("7", "8", 1)).verified(one.secret)
        with pytest.raises(WebhookVerificationError):
            taken.verified("whsec_" + "A" * 43)

    def test_the_id_stays_and_the_time_of_the_signature_moves_on(self, shop: Receiver) -> None:
        one = endpoint(shop.url)
        shop.status_of = failing()
        tell(1)
        send()
        time.sleep(1.01)
        shop.status_of = failing(2)
        later(seconds=10)
        send()
        first, second = shop.taken
        assert first.headers["Webhook-Id"] == second.headers["Webhook-Id"]
        assert first.headers["Webhook-Timestamp"] < second.headers["Webhook-Timestamp"]
        assert second.verified(one.secret) == first.verified(one.secret)

    def test_after_an_exchange_of_secrets_either_one_lets_it_through_for_a_day(self, shop: Receiver) -> None:
        old = endpoint(shop.url)
        new = endpoints.rotate(old, by=None)
        tell(1)
        send()
        WebhookEndpoint.objects.update(old_secret_until=timezone.now())
        tell(2)
        send()
        both, one = shop.taken
        assert old.secret != new.secret
        assert both.verified(old.secret) == both.verified(new.secret)
        assert one.verified(new.secret)
        with pytest.raises(WebhookVerificationError):
            one.verified(old.secret)

    def test_only_the_chosen_events_of_after_the_endpoint_was_made(self, shop: Receiver) -> None:
        tell(1)
        endpoint(shop.url, "case.opened", "model.promoted")
        tell(2, kind="case.opened")
        tell(3)
        tell(4, 5, kind="model.promoted", user=None)
        send()
        assert sorted(shop.numbers()) == [2, 4, 5]

    def test_what_is_rolled_back_is_not_sent(self, shop: Receiver) -> None:
        endpoint(shop.url)
        with transaction.atomic():
            tell(1)
            transaction.set_rollback(True)
        send()
        assert shop.taken == []


class TestRetries:
    def test_what_failed_is_sent_again_later_and_later(self, shop: Receiver) -> None:
        endpoint(shop.url)
        shop.status_of = failing()
        tell(1)
        waits = []
        for _ in range(4):
            send()
            due = WebhookDelivery.objects.get().next_try_at
            assert due
            waits.append((due - timezone.now()).total_seconds())
            send()  # Too early.
            later(seconds=waits[-1], hours=0.1)
        assert len(shop.taken) == 4
        assert all(base * 0.75 < wait < base * 1.25 for base, wait in zip((5, 10, 20, 40), waits, strict=True))
        shop.status_of = failing(2)
        send()
        assert states() == ["delivered"]
        assert list(WebhookAttempt.objects.values_list("number", "status")) == [
            (1, 500),
            (2, 500),
            (3, 500),
            (4, 500),
            (5, 200),
        ]

    def test_waits_grow_to_six_hours_and_differ(self) -> None:
        seconds = [deliveries.wait(attempts).total_seconds() for attempts in range(1, 60)]
        assert max(seconds) <= 6 * 3600 * 1.2
        assert all(wait > 6 * 3600 * 0.79 for wait in seconds[14:])
        assert len(set(seconds)) == len(seconds)

    def test_after_72_hours_it_is_given_up_and_not_before(self, shop: Receiver) -> None:
        endpoint(shop.url)
        shop.status_of = failing()
        tell(1)
        while states() in ([], ["waiting"]):
            send()
            delivery = WebhookDelivery.objects.get()
            if delivery.next_try_at:
                assert delivery.next_try_at <= delivery.give_up_at
                span = delivery.next_try_at - timezone.now()
                later(seconds=max(span.total_seconds(), 300.0))
        assert states() == ["dead"]
        tries = len(shop.taken)
        assert 20 <= tries <= 32
        assert delivery.error.startswith("500 Internal Server Error. ok")
        assert timedelta(hours=71) < timezone.now() - delivery.created_at < timedelta(hours=73)
        later(days=1)
        send()
        assert len(shop.taken) == tries

    @pytest.mark.parametrize("status", [301, 307, 400, 404, 429, 503])
    def test_no_answer_but_success_is_taken_for_one_and_nobody_is_redirected(self, shop: Receiver, status: int) -> None:
        endpoint(shop.url)
        shop.status_of = failing(status=status)
        tell(1)
        send()
        assert [taken.path for taken in shop.taken] == ["/"]
        assert states() == ["waiting"]
        assert WebhookDelivery.objects.get().status == status

    def test_nobody_at_the_port_is_told_as_it_is(self) -> None:
        endpoint(nobody())
        tell(1)
        send()
        delivery = WebhookDelivery.objects.get()
        assert (delivery.state, delivery.status) == ("waiting", None)
        assert delivery.error.startswith("ConnectionRefusedError")

    def test_a_private_address_is_refused_when_connecting(self, shop: Receiver, settings: Settings) -> None:
        endpoint(shop.url)
        settings.WEBHOOK_ALLOW_PRIVATE = False
        tell(1)
        send()
        assert shop.taken == []
        assert WebhookDelivery.objects.get().error == "127.0.0.1 leads to no public address."

    @pytest.mark.parametrize(
        ("first", "drop"),
        [
            (b"", b""),
            (b"HTTP/1.1 ", b"2"),
            (b"HTTP/1.1 500 E\r\n", b"X: 1\r\n"),
            (b"HTTP/1.1 500 E\r\n\r\n", b"x"),
            (b"", b"HTTP/1.1 100 C\r\n\r\n"),
        ],
    )
    def test_whoever_answers_by_drops_is_left_after_the_timeout(
        self, settings: Settings, first: bytes, drop: bytes
    ) -> None:
        settings.WEBHOOK_TIMEOUT_S = 1
        with silent(first, drop) as url:
            endpoint(url)
            tell(1)
            send()
        assert states() == ["waiting"]
        # And not when there was nothing to come any more.
        assert WebhookDelivery.objects.get().duration_ms < FOR_EVER_S * 1000

    def test_an_endless_answer_is_not_read(self, settings: Settings) -> None:
        settings.WEBHOOK_TIMEOUT_S = 30
        with silent(b"HTTP/1.1 500 E\r\n\r\n" + b"x" * 100_000, b"x" * 10_000, every_s=0.001) as url:
            endpoint(url)
            tell(1)
            send()
        error = WebhookDelivery.objects.get().error
        assert error.startswith("500 ")
        assert len(error) < 400
