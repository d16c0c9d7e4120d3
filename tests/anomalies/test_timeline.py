"""The picture of a user's amounts: what is drawn where, and what is left out."""

import math
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from uuid import UUID

import pytest

from anomalies.admin import timeline
from anomalies.profile import Payment
from anomalies.templatetags.timeline import figure
from tests.factories import START, USER, AnomalyFactory, TransactionFactory

DAY = timedelta(days=1)


def paid(number: int, amount: str = "10.00", currency: str = "EUR", *, days: float | None = None) -> Payment:
    at = START + (number if days is None else days) * DAY
    return Payment(UUID(int=number + 1), at, Decimal(amount), currency, "m-1", "completed")


def drawn(payments, scores=None, *, days=10, **more):
    return timeline.draw(payments, scores or {}, since=START, until=START + days * DAY, **more)


def test_points_stand_where_their_time_and_amount_are():
    line = drawn([paid(0, "0.00"), paid(5, "50.00"), paid(9, "100.00")])
    first, middle, last = line.points
    assert first.x < middle.x < last.x
    assert first.y > middle.y > last.y
    assert (first.y, line.is_log) == (line.ground, False)
    assert first.x == timeline.SIDE


def test_a_scale_is_logarithmic_only_where_one_amount_would_flatten_all_others():
    ordinary = [paid(number, "20.00") for number in range(8)]
    assert not drawn([*ordinary, paid(9, "230.00")]).is_log
    line = drawn([*ordinary, paid(9, "2300.00")])
    assert line.is_log
    assert [tick.label for tick in line.amounts] == [10, 100, 1000]
    assert line.ground - line.points[0].y > 10


def test_nothing_and_zero_do_not_break_it():
    assert drawn([]) is None
    assert drawn([paid(1)], currency="USD") is None
    assert drawn([paid(1, "0.00"), paid(2, "0.00")]).points[0].y == timeline.HEIGHT - timeline.BELOW
    assert drawn([*(paid(n, "5.00") for n in range(8)), paid(8, "0.00"), paid(9, "9000.00")]).is_log


def test_the_band_knows_only_what_was_before_it():
    known = [paid(number, "10.00", days=-20 + number) for number in range(20)]
    line = drawn([*known, paid(30, "500.00", days=5)])
    (before, *_), last = line.band, line.band[-1]
    assert (before.low, before.high) == (10.0, 10.0)
    assert last.x + last.width == pytest.approx(100 - timeline.SIDE, abs=0.1)
    shocked = drawn([*known, *(paid(40 + n, "500.00", days=5) for n in range(20))])
    assert shocked.band[-1].high == 500.0
    assert shocked.band[0].high == 10.0


def test_there_is_no_band_where_too_little_was_before():
    assert drawn([paid(number) for number in range(7)]).band == []


def test_other_currencies_are_counted_and_not_drawn():
    line = drawn([paid(1), paid(2), paid(3, "9.00", "USD")])
    assert (line.currency, line.payments, line.elsewhere) == ("EUR", 2, 1)
    assert drawn([paid(1), paid(2), paid(3, "9.00", "USD")], currency="USD").payments == 1


def test_many_are_thinned_but_no_anomaly_and_no_marked_one_is():
    many = [paid(number, f"{10 + number % 7}.00", days=number / 250) for number in range(2_000)]
    odd, marked = many[1].id, many[2].id
    line = drawn(many, {odd: 70.0}, marked=frozenset([marked]))
    assert len(line.points) <= timeline.DRAWN + 3
    assert {odd, marked} <= {point.payment.id for point in line.points}
    assert (line.payments, line.not_drawn) == (2_000, 2_000 - len(line.points))
    assert {point.score for point in line.points if point.payment.id == odd} == {70.0}


@pytest.mark.parametrize(("days", "ticks"), [(1, 1), (7, 3), (30, 4), (90, 3), (400, 5)])
def test_dates_below_are_few_and_even(days, ticks):
    found = timeline.days(START, START + days * DAY)
    assert ticks <= len(found) <= timeline.TICKS_ACROSS + 1
    assert len({round((b.label - a.label) / DAY, 6) for a, b in pairwise(found)}) <= 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (math.nan, "–"), (0, "0"), (0.0, "0"), (5, "5"), (-3.0, "-3"), (18.24, "18.2"), (1.5, "1.50"),
        (801.61, "802"), (1234.5, "1234"), (0.1, "0.100"), (0.005, "0.005"), (0.0000912, "0.00009"),
        (1e-9, "0.000000"), (99_999.5, "100000"), (2_500_000.0, "2.5M"), (-0.02, "-0.02"),
    ],
)  # fmt: skip
def test_numbers_beside_reasons_are_short(value, text):
    assert figure(value) == text


@pytest.mark.django_db
def test_it_takes_two_queries_and_shows_the_users_own_only(django_assert_num_queries):
    for number in range(5):
        TransactionFactory(txn_date=START + number * DAY)
    odd = AnomalyFactory(transaction__user_id=USER, transaction__txn_date=START + 6 * DAY, score=81.0)
    AnomalyFactory(transaction__txn_date=START + 6 * DAY)
    with django_assert_num_queries(2):
        line = timeline.timeline(USER, START, START + 7 * DAY)
    assert len(line.points) == 6
    assert [point.payment.id for point in line.points if point.score] == [odd.pk]
