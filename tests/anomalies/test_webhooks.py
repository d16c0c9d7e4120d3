"""Webhooks from the outbox to real receivers: signed, retried, in order, each endpoint by itself."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from pytest_django.fixtures import Settings
from standardwebhooks import WebhookVerificationError

from anomalies import outbox
from anomalies.events import OutboxEvent
from anomalies.models import AuditEntry
from anomalies.webhooks import courier, deliveries, endpoints
from anomalies.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from tests.anomalies.receivers import Receiver, Taken, nobody, receiver, silent
from tests.factories import AnalystFactory

pytestmark = pytest.mark.django_db
COMMITS = pytest.mark.django_db(transaction=True)
USER = UUID(int=1)


@pytest.fixture(autouse=True)
def loopback(settings: Settings) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = settings.WEBHOOK_ALLOW_HTTP = True


@pytest.fixture
def shop() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def endpoint(url: str, *kinds: str) -> WebhookEndpoint:
    return endpoints.create(url=url, kinds=kinds or ("anomaly.created",), owner=AnalystFactory())


def tell(*numbers: int, user: UUID | None = USER, kind: str = "anomaly.created") -> None:
    with transaction.atomic():
        for number in numbers:
            outbox.emit(kind, user_id=user, subject=uuid4(), body={"number": number})


def send() -> None:
    """Send what is due now."""
    courier.deliver_due()


def succeed() -> None:
    """Tell of somebody else, which arrives: an endpoint at which nothing does is disabled in the end."""
    tell(99, user=UUID(int=99))
    send()


def later(**span: float) -> None:
    """Let this time go by, as far as deliveries and endpoints know."""
    by = timedelta(**span)
    times = ("next_try_at", "give_up_at", "created_at", "finished_at")
    WebhookDelivery.objects.update(**{name: F(name) - by for name in times})
    WebhookEndpoint.objects.update(**{name: F(name) - by for name in ("wait_until", "failing_since")})


def failing(*numbers: int, status: int = 500) -> Callable[[Taken], int]:
    """Fails the messages with these numbers, or all."""
    return lambda taken: status if not numbers or taken.content["data"]["number"] in numbers else 200


def states() -> list[str]:
    return list(WebhookDelivery.objects.order_by("position").values_list("state", flat=True))


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
            began = time.monotonic()
            send()
            assert time.monotonic() - began < 2.5
        assert states() == ["waiting"]

    def test_an_endless_answer_is_not_read(self, settings: Settings) -> None:
        settings.WEBHOOK_TIMEOUT_S = 5
        with silent(b"HTTP/1.1 500 E\r\n\r\n" + b"x" * 100_000, b"x" * 10_000, every_s=0.001) as url:
            endpoint(url)
            tell(1)
            began = time.monotonic()
            send()
            assert time.monotonic() - began < 4
        assert len(WebhookDelivery.objects.get().error) < 400


class TestOrder:
    def test_a_user_is_told_of_in_order_and_waits_for_himself_only(self, shop: Receiver) -> None:
        endpoint(shop.url)
        shop.status_of = failing(1)
        tell(1, 2, 3)
        tell(10, 20, 30, user=UUID(int=2))
        send()
        assert [number for number in shop.numbers() if number >= 10] == [10, 20, 30]
        assert [number for number in shop.numbers() if number < 10] == [1]
        tell(4)
        shop.status_of = failing(100)
        later(minutes=1)
        send()
        assert [number for number in shop.numbers() if number < 10] == [1, 1, 2, 3, 4]

    def test_after_what_was_given_up_comes_the_next(self, shop: Receiver) -> None:
        endpoint(shop.url)
        shop.status_of = failing(1)
        tell(1, 2)
        send()
        succeed()
        later(hours=73)
        send()
        assert shop.numbers() == [1, 99, 1, 2]
        assert states() == ["dead", "delivered", "delivered"]

    def test_many_users_at_once_each_in_order(self, shop: Receiver) -> None:
        endpoint(shop.url)
        for number in range(60):
            tell(number, user=UUID(int=number % 7))
        send()
        for user in range(7):
            mine = [number for number in shop.numbers() if number % 7 == user]
            assert mine == sorted(mine)
        assert sorted(shop.numbers()) == list(range(60))

    @COMMITS
    def test_a_dead_endpoint_and_a_slow_one_delay_nobody_else(self, shop: Receiver, settings: Settings) -> None:
        settings.WEBHOOK_TIMEOUT_S = 3
        with silent() as slow:
            for url in (slow, slow, nobody(), shop.url):
                endpoint(url)
            for number in range(20):
                tell(number, user=UUID(int=number))
            one = courier.Courier()
            began = time.monotonic()
            one.start()
            while len(shop.taken) < 20 and time.monotonic() - began < 10:
                time.sleep(0.01)
            took = time.monotonic() - began
            one.stop()
        assert len(shop.taken) == 20
        assert took < 2.5

    def test_an_endpoint_that_fails_again_and_again_is_asked_seldom(self, shop: Receiver) -> None:
        endpoint(shop.url)
        shop.status_of = failing()
        for number in range(30):
            tell(number, user=UUID(int=number))
        send()
        assert len(shop.taken) < 10
        before = len(shop.taken)
        later(seconds=8)
        send()
        assert len(shop.taken) == before + 1
        shop.status_of = failing(100)
        later(seconds=20)
        send()
        later(seconds=20)
        send()
        assert set(states()) == {"delivered"}
        assert WebhookEndpoint.objects.get().failures == 0


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


class TestWorkers:
    @COMMITS
    def test_several_share_and_send_nothing_twice(self, shop: Receiver) -> None:
        endpoint(shop.url)
        for number in range(80):
            tell(number, user=UUID(int=number % 5))
        several = [courier.Courier() for _ in range(3)]
        for one in several:
            one.start()
        began = time.monotonic()
        while len(shop.taken) < 80 and time.monotonic() - began < 20:
            time.sleep(0.01)
        for one in several:
            one.stop()
        assert sorted(shop.numbers()) == list(range(80))
        for user in range(5):
            mine = [number for number in shop.numbers() if number % 5 == user]
            assert mine == sorted(mine)

    def test_what_a_killed_worker_had_taken_is_sent_when_its_lease_ends(self, shop: Receiver) -> None:
        one = endpoint(shop.url)
        tell(1, 2)
        deliveries.spread()
        assert len(deliveries.claim({one.pk: 4}, lease=timedelta(seconds=30))) == 1
        send()
        assert shop.taken == []
        later(seconds=31)
        send()
        assert shop.numbers() == [1, 2]


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
