"""The threshold is the score at which analysts get as many cases a day as they can take."""

from datetime import timedelta

import pytest

from anomalies import budget
from anomalies.models import Anomaly
from tests.factories import START, AnomalyFactory

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
    assert threshold == 60.0
    assert Anomaly.objects.filter(score__gt=threshold).count() == 2 * 10


def test_several_anomalies_of_a_user_on_a_day_are_one_case(settings):
    settings.ALERT_BUDGET = 1
    peaks([80.0, 70.0, 60.0, 50.0], days=2)
    busy = Anomaly.objects.get(score=80.0)
    for score in (79.0, 78.0, 77.0):
        AnomalyFactory(user_id=busy.user_id, score=score, transaction__txn_date=START - timedelta(hours=1))
    assert budget.threshold(START) == 60.0


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
