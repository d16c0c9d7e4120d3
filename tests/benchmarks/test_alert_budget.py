"""The threshold of the last 14 days gives about as many new cases on the following days as were asked for."""

import statistics
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import transaction

from anomalies.models import AlertBudget, Case
from benchmarks import alert_budget
from tests.factories import START, AnomalyFactory

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def test_generated_payments_give_as_many_cases_as_asked_for(tmp_path: Path) -> None:
    """Of new populations, of which the first threshold rests on the first three weeks, cases open for a day or a week.

    One case a day for four weeks is too little to judge a single one by: of six it was 0.9 to 1.4. Of fewer people, two
    cases a day would be one in a hundred payments, all that there are above the floor.
    """
    found = [replays_of(seed, tmp_path) for seed in (1, 2, 3)]
    for one in (one for population in found for one in population if one.cases_a_day == 2):
        assert alert_budget.LEAST <= one.mean <= alert_budget.MOST
    for of_one_kind in zip(*found, strict=True):
        assert alert_budget.LEAST <= statistics.mean(one.mean for one in of_one_kind) <= alert_budget.MOST
    assert not AlertBudget.objects.exists()
    assert not Case.objects.exists()


def replays_of(seed: int, folder: Path) -> list[alert_budget.Replayed]:
    """Cases closed after a day and a week, for four weeks of a population of which nothing is left afterwards."""
    with transaction.atomic():
        call_command(
            "load_data", "--demo", "--users=400", "--days=52", f"--seed={seed}", "--end=2026-03-02",
            f"--labels={folder / 'labels.csv'}", stdout=StringIO(), stderr=StringIO(),
        )  # fmt: skip
        first, days = alert_budget.span()
        assert days >= 28
        found = [alert_budget.replay(first, days, cases, open_days) for open_days in (1, 7) for cases in (1, 2)]
        transaction.set_rollback(True)
    return found


def test_a_user_with_an_open_case_gets_no_second_one() -> None:
    busy = AnomalyFactory(score=90.0, transaction__txn_date=START)
    for day in range(1, 30):
        AnomalyFactory(score=90.0, user_id=busy.user_id, transaction__txn_date=START + day * DAY)
    first, days = alert_budget.span()
    daily, weekly = (alert_budget.replay(first, days, 1, open_days=open_days) for open_days in (1, 7))
    assert (days, daily.weeks, weekly.weeks) == (14, [1.0, 1.0], [1 / 7, 1 / 7])


def test_the_lines_say_whether_the_budget_was_kept() -> None:
    kept = alert_budget.Replayed(5, weeks=[0.9, 1.5], mean=1.2, thresholds=(41.0, 55.25), at_floor=0)
    lines = list(alert_budget.lines([kept], START, 14))
    assert lines[1:] == [
        "    5 cases a day: 0.90 1.50",
        "      mean 1.20, within 0.7..1.3; 1 of 2 weeks within; thresholds 41.0 to 55.2; at the floor on 0 days",
    ]
