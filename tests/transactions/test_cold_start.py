"""Little is known at first: of everybody, of a new user, of a new currency. No score is invented, nothing floods."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.test import override_settings

import scoring
from anomalies.findings import Scored, Unscored
from anomalies.models import Anomaly, Case
from tests.transactions import traffic
from transactions import backlog, intake, norms
from transactions.rows import Row

pytestmark = pytest.mark.django_db

# What is measured against the user's own past.
OWN = {"own_amount", "spell", "velocity"}


def ordinary(count: int, *, seed: int, users: int = 40, days: int = 40) -> list[Row]:
    """Traffic without its planted large payments."""
    rows = traffic.rows(count, users=users, days=days, seed=seed)
    return [row for row in rows if row.amount < 8 * (10 + row.user_id.int % 90)]


def scored_in_batch(rows: list[Row]) -> backlog.Summary:
    intake.take(rows, score=False)
    return backlog.score_pending()


def after_traffic(row: Row, *, hours: int = 1, **changes: object) -> Row:
    return replace(row, id=uuid4(), txn_date=traffic.START + timedelta(days=40, hours=hours), **changes)


def test_rows_before_the_first_reference_get_no_score_live_or_in_batch() -> None:
    rows = traffic.rows(400, days=2)
    summary = scored_in_batch(rows)
    assert (summary.scored, summary.unscored, summary.references) == (0, 400, 0)
    (taken,) = intake.take([after_traffic(rows[0], amount=Decimal("99999.00"))])
    assert isinstance(taken.scored, Unscored)
    assert taken.scored.code == "no_reference"
    assert not Anomaly.objects.exists()


def test_a_score_comes_as_soon_as_a_reference_does() -> None:
    rows = traffic.rows(scoring.MINIMUM_ROWS * 3, days=3)
    summary = scored_in_batch(rows)
    assert summary.references > 0
    first = min(norms.ladder(rows[0].txn_date, rows[-1].txn_date))
    assert 0 < summary.unscored >= sum(row.txn_date < first for row in rows)
    assert summary.scored > 0


def test_a_new_user_is_measured_against_everybody_only() -> None:
    past = ordinary(3000, seed=1)
    scored_in_batch(past)
    stranger = uuid4()
    for number in range(5):
        (taken,) = intake.take([after_traffic(past[number], hours=24 * number + 1, user_id=stranger)])
        assert isinstance(taken.scored, Scored)
        own = [reason for reason in taken.scored.reasons if reason["group"] in OWN and reason["contribution"] > 0]
        assert own == []
        assert taken.scored.score < 60


def test_a_huge_first_payment_of_a_new_user_is_strange_for_everybody() -> None:
    past = ordinary(3000, seed=1)
    scored_in_batch(past)
    (taken,) = intake.take([after_traffic(past[0], user_id=uuid4(), currency="EUR", amount=Decimal("50000.00"))])
    assert isinstance(taken.scored, Scored)
    assert taken.scored.score >= 40
    assert taken.scored.reasons[0]["group"] == "population_amount"


def test_a_currency_that_nobody_has_used_gives_no_evidence_of_amounts() -> None:
    past = ordinary(3000, seed=1)
    scored_in_batch(past)
    (taken,) = intake.take([after_traffic(past[0], currency="CHF", amount=Decimal("99999.00"))])
    assert isinstance(taken.scored, Scored)
    spoken = {reason["group"] for reason in taken.scored.reasons if reason["contribution"] > 0.05}
    assert not spoken & {"own_amount", "spell", "population_amount"}


def test_an_ordinary_first_week_floods_nothing() -> None:
    rows = ordinary(6000, users=200, days=7, seed=3)
    with override_settings(ALERT_BUDGET=2):
        summary = scored_in_batch(rows)
    assert summary.scored > 0.7 * len(rows)
    high = Anomaly.objects.filter(score__gte=60).count()
    assert summary.anomalies <= 0.025 * summary.scored
    assert high <= 0.005 * summary.scored
    assert Case.objects.count() <= 1.3 * 2 * 7


def test_the_first_week_of_many_new_users_floods_nothing() -> None:
    scored_in_batch(ordinary(6000, users=80, seed=1))
    week = [
        replace(row, txn_date=row.txn_date + timedelta(days=40)) for row in ordinary(2000, users=80, days=7, seed=9)
    ]
    Anomaly.objects.all().delete()
    summary = scored_in_batch(week)
    high = Anomaly.objects.filter(score__gte=60).count()
    assert summary.scored == len(week)
    assert summary.anomalies <= 0.025 * len(week)
    assert high <= 0.005 * len(week)
