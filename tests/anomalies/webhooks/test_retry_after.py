"""An endpoint that says when to come back is left alone until then."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import UUID

import pytest
from django.utils import timezone

from anomalies.webhooks import deliveries, endpoints
from anomalies.webhooks.models import WebhookDelivery, WebhookEndpoint
from anomalies.webhooks.sending import LONGEST_ASKED_S, Answer, asked_wait_s
from tests.anomalies.receivers import Receiver
from tests.anomalies.webhooks.telling import endpoint, failing, later, send, states, tell

pytestmark = pytest.mark.django_db
# Sun, 06 Nov 1994 08:49:37 GMT
THEN = 784111777.0


def waits_s(since: datetime | None = None) -> float:
    """The seconds until the next attempt: from now, or from a time before, of which a slow machine takes nothing."""
    due = WebhookDelivery.objects.get().next_try_at
    assert due
    return (due - (since or timezone.now())).total_seconds()


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("as_date", [False, True])
def test_what_failed_is_not_sent_again_before_the_endpoint_wants_it(shop: Receiver, status: int, as_date: bool) -> None:
    endpoint(shop.url)
    at = datetime.now(UTC) + timedelta(seconds=600)
    shop.headers["Retry-After"] = format_datetime(at, usegmt=True) if as_date else "600"
    shop.status_of = failing(status=status)
    tell(1)
    send()
    assert 595 < waits_s() < 600 * 1.2
    later(seconds=590)
    send()
    assert len(shop.taken) == 1
    shop.status_of = failing(100)
    later(seconds=140)
    send()
    assert shop.numbers() == [1, 1]
    assert states() == ["delivered"]


def test_everything_for_the_endpoint_waits_and_nothing_for_others(shop: Receiver) -> None:
    endpoint(shop.url)
    shop.headers["Retry-After"] = "100"
    shop.status_of = failing(1, status=429)
    tell(1)
    send()
    tell(2, user=UUID(int=2))
    send()
    assert shop.numbers() == [1]
    endpoint(shop.url + "other")
    tell(3, user=UUID(int=3))
    send()
    assert [(one.path, one.content["data"]["number"]) for one in shop.taken[1:]] == [("/other", 3)]
    later(seconds=101)
    send()
    assert [number for number in shop.numbers() if number == 2] == [2]


def test_what_was_under_way_and_arrives_does_not_end_the_wait(shop: Receiver) -> None:
    one = endpoint(shop.url)
    for number in (1, 2):
        tell(number, user=UUID(int=number))
    deliveries.spread()
    refused, taken = deliveries.claim({one.pk: 2}, lease=timedelta(seconds=30))
    deliveries.note(refused, Answer(503, 5, "503", asked_wait_s=100))
    deliveries.note(taken, Answer(204, 5))
    tell(3, user=UUID(int=3))
    send()
    assert shop.taken == []
    assert WebhookEndpoint.objects.get().failures == 0
    later(seconds=121)
    send()
    assert len(shop.taken) == 2


def test_a_short_wait_asked_for_makes_none_shorter(shop: Receiver) -> None:
    endpoint(shop.url)
    shop.headers["Retry-After"] = "1"
    shop.status_of = failing(status=503)
    tell(1)
    before = timezone.now()
    send()
    assert waits_s(before) > 3.9
    assert waits_s() < 6


@pytest.mark.parametrize("status", [404, 500])
def test_of_other_failures_it_counts_for_nothing(shop: Receiver, status: int) -> None:
    endpoint(shop.url)
    shop.headers["Retry-After"] = "600"
    shop.status_of = failing(status=status)
    tell(1)
    send()
    assert waits_s() < 6.1


def test_it_cannot_ask_for_more_than_we_would_wait_or_for_longer_than_we_try(shop: Receiver) -> None:
    endpoint(shop.url)
    shop.headers["Retry-After"] = "9" * 400
    shop.status_of = failing(status=429)
    tell(1)
    send()
    assert LONGEST_ASKED_S - 5 < waits_s() <= LONGEST_ASKED_S * 1.2
    later(hours=71)
    send()
    delivery = WebhookDelivery.objects.get()
    assert len(shop.taken) == 2
    assert delivery.next_try_at == delivery.give_up_at


def test_whoever_enables_it_again_does_not_wait(shop: Receiver) -> None:
    one = endpoint(shop.url)
    shop.headers["Retry-After"] = "600"
    shop.status_of = failing(status=429)
    tell(1)
    send()
    endpoints.change(one, by=None, enabled=False)
    endpoints.change(one, by=None, enabled=True)
    shop.status_of = failing(100)
    tell(2, user=UUID(int=2))
    send()
    assert shop.numbers() == [1, 2]


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        ("", 0),
        ("-7", 0),
        ("7.5", 0),
        ("soon", 0),
        ("٧", 0),
        ("Sun, 06 Nov 1994 08:49:47 GMT", 10),
        ("Sun, 06 Nov 1994 08:49:47 -0000", 10),
        ("Sunday, 06-Nov-94 08:49:47 GMT", 10),
        ("Sun Nov  6 08:49:47 1994", 10),
        ("Sun, 06 Nov 1994 08:49:27 GMT", 0),
        ("Sun, 06 Nov 9999 08:49:47 GMT", LONGEST_ASKED_S),
        ("Sun, 99 Nov 1994 08:49:47 GMT", 0),
        ("Sun, 06 Nov 99999999999999999999 08:49:47 GMT", 0),
        ("604800", LONGEST_ASKED_S),
    ],
)
def test_seconds_and_all_three_forms_of_dates_are_understood(text: str, wait_s: float) -> None:
    assert asked_wait_s(text, THEN) == wait_s
