"""The threshold is the score at which analysts get as many cases a day as they can take."""

from datetime import timedelta

import pytest

from anomalies import budget
from anomalies.models import Anomaly
from tests.factories import START, AnomalyFactory, CaseFactory

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def peaks(scores, *, days):
    """One anomaly of one user for each score, spread over `days` days that end at START."""
    for number, score in enumerate(scores):
        AnomalyFactory(score=score, transaction__txn_date=START - days * DAY * number / (len(scores) - 1))


def test_without_a_past_only_one_in_a_thousand_is_alerted():
    assert budget.threshold(START) == 60.0


def test_a_few_hours_are_no_past():
    AnomalyFactory(score=99.0, transaction__txn_date=START - timedelta(hours=23))
    assert budget.threshold(START) == 60.0


def test_the_threshold_lets_through_as_many_cases_a_day_as_the_budget(settings):
    settings.ALERT_BUDGET = 2
    peaks([40.0 + number for number in range(41)], days=10)
    threshold = budget.threshold(START)
    assert threshold == 61.0
    assert Anomaly.objects.filter(score__gte=threshold).count() == 2 * 10


def test_several_anomalies_of_a_user_within_a_day_are_one_case(settings):
    settings.ALERT_BUDGET = 1
    peaks([80.0, 70.0, 60.0, 50.0], days=2)
    busy = Anomaly.objects.get(score=80.0)
    for score in (79.0, 78.0, 77.0):
        AnomalyFactory(user_id=busy.user_id, score=score, transaction__txn_date=START - timedelta(hours=1))
    assert budget.threshold(START) == 70.0


def test_a_budget_that_nothing_uses_up_ends_at_the_floor(settings):
    settings.ALERT_BUDGET = 1_000
    peaks([80.0, 70.0], days=10)
    assert budget.threshold(START) == 40.0


def test_only_the_last_two_weeks_count(settings):
    settings.ALERT_BUDGET = 1
    peaks([50.0] * 29, days=13)
    AnomalyFactory.create_batch(20, score=90.0, transaction__txn_date=START - 15 * DAY)
    AnomalyFactory.create_batch(20, score=90.0, transaction__txn_date=START + DAY)
    assert budget.threshold(START) == 50.0


def closed_case(*, open_for: timedelta, closed_at) -> None:
    CaseFactory(state="closed", outcome="fraud", opened_at=closed_at - open_for, closed_at=closed_at)


def test_cases_that_stay_open_for_days_gather_what_would_open_others(settings):
    """Of a user with an anomaly a day: a case a day if it is closed within one, two in 14 days if within a week."""
    settings.ALERT_BUDGET = 1
    peaks([50.0] * 15, days=14)
    busy = AnomalyFactory(score=90.0, transaction__txn_date=START)
    for day in range(1, 14):
        AnomalyFactory(user_id=busy.user_id, score=90.0, transaction__txn_date=START - day * DAY)
    assert budget.threshold(START) == 90.0
    for days in (1, 7, 13):
        closed_case(open_for=days * DAY, closed_at=START - DAY)
    assert budget.threshold(START) == 50.0


def test_cases_closed_before_the_window_or_after_it_do_not_tell_how_long(settings):
    settings.ALERT_BUDGET = 1
    peaks([50.0] * 15, days=14)
    busy = AnomalyFactory(score=90.0, transaction__txn_date=START)
    for day in range(1, 14):
        AnomalyFactory(user_id=busy.user_id, score=90.0, transaction__txn_date=START - day * DAY)
    closed_case(open_for=7 * DAY, closed_at=START - 15 * DAY)
    closed_case(open_for=7 * DAY, closed_at=START + DAY)
    assert budget.threshold(START) == 90.0


def test_what_opened_before_the_window_is_still_open_in_it(settings):
    """The user's case of 15 days ago gathers the anomaly of two days later; without it, that would be a new case."""
    settings.ALERT_BUDGET = 1
    peaks([40.0 + number for number in range(41)], days=13)
    closed_case(open_for=7 * DAY, closed_at=START)
    busy = AnomalyFactory(score=90.0, transaction__txn_date=START - 12 * DAY)
    assert budget.threshold(START) == 69.0
    AnomalyFactory(user_id=busy.user_id, score=90.0, transaction__txn_date=START - 15 * DAY)
    assert budget.threshold(START) == 68.0


def test_more_anomalies_are_read_where_the_strangest_are_of_few_users(settings, monkeypatch):
    settings.ALERT_BUDGET = 1
    busy = AnomalyFactory(score=99.0, transaction__txn_date=START)
    for minute in range(1, 30):
        AnomalyFactory(user_id=busy.user_id, score=99.0, transaction__txn_date=START - minute * timedelta(minutes=1))
    peaks([40.0 + number for number in range(41)], days=10)
    monkeypatch.setattr(budget, "ROWS_A_CASE", 1)
    assert budget.threshold(START) == 72.0
