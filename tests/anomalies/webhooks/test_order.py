"""In order for each user, each endpoint by itself, and shared by several workers."""

from contextlib import ExitStack
from datetime import timedelta
from uuid import UUID

import pytest
from pytest_django.fixtures import Settings

from anomalies.webhooks import courier, deliveries
from anomalies.webhooks.models import WebhookAttempt, WebhookEndpoint
from tests.anomalies.receivers import Receiver, nobody, silent
from tests.anomalies.webhooks.telling import endpoint, failing, later, send, states, succeed, tell
from tests.anomaly_server.programs import wait_until

pytestmark = pytest.mark.django_db
COMMITS = pytest.mark.django_db(transaction=True)


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
        settings.WEBHOOK_TIMEOUT_S = 600
        with ExitStack() as stack:
            one = courier.Courier()
            stack.callback(one.stop)
            slow = stack.enter_context(silent())
            for url in (slow, slow, nobody(), shop.url):
                endpoint(url)
            for number in range(20):
                tell(number, user=UUID(int=number))
            one.start()
            wait_until(lambda: len(shop.taken) == 20)
            # Those for the slow one are still under way.
            assert not WebhookAttempt.objects.filter(delivery__endpoint__url=slow).exists()

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


class TestWorkers:
    @COMMITS
    def test_several_share_and_send_nothing_twice(self, shop: Receiver) -> None:
        endpoint(shop.url)
        for number in range(80):
            tell(number, user=UUID(int=number % 5))
        several = [courier.Courier() for _ in range(3)]
        for one in several:
            one.start()
        wait_until(lambda: len(shop.taken) >= 80)
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
