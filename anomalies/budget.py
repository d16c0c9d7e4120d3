"""The alert budget: the threshold that gives analysts as many new cases a day as they can take."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction

from anomalies import audit
from anomalies.models import AlertBudget

QUERY = (Path(__file__).parent / "sql" / "alert_threshold.sql").read_text()

WINDOW = timedelta(days=14)
# One in a thousand transactions: until a day of anomalies has been seen, nobody knows what is too many.
WITHOUT_PAST = 60.0
SHORTEST_PAST_DAYS = 1.0
LEAST, MOST = 1, 1_000_000


class BudgetError(ValueError):
    """The budget cannot be taken as it is; the text is a sentence for people."""


class Reckoned(NamedTuple):
    """The budget in force, and the threshold that follows from it."""

    cases_per_day: int
    threshold: float


def newest_or_setting() -> int:
    """The newest budget that somebody set in the console, else settings.ALERT_BUDGET."""
    newest = AlertBudget.objects.values_list("cases_per_day", flat=True).first()
    return settings.ALERT_BUDGET if newest is None else newest


@transaction.atomic
def change(cases_per_day: int, *, by: User) -> AlertBudget:
    """Let it be so many new cases a day from now on. Raises BudgetError.

    A live score goes by it within settings.LIVE_CACHE_S; open cases stay open.
    """
    if not LEAST <= cases_per_day <= MOST:
        raise BudgetError(f"A budget is a whole number of cases a day, from {LEAST} to {MOST:,}.")
    before = {"cases_per_day": newest_or_setting()}
    made = AlertBudget.objects.create(cases_per_day=cases_per_day, by=by)
    audit.write("budget.changed", by=by, before=before, after={"cases_per_day": cases_per_day})
    return made


def threshold(now: datetime) -> float:
    """The score that as many cases a day as the budget reached over the 14 days before `now`.

    A case is reckoned for each user and day with an anomaly, at its highest score; the truth is a little
    lower, because one case may last for days. Never below settings.ANOMALY_FLOOR; WITHOUT_PAST as long as
    the anomalies reach back less than a day. One query over the index on anomalies' dates, so a run asks
    once and a server now and then, not for every row. For past data, `now` is its newest instant.
    """
    return reckoned(now).threshold


def reckoned(now: datetime) -> Reckoned:
    """`threshold`, and the budget that it follows from. One query."""
    with connection.cursor() as cursor:
        cursor.execute(QUERY, {"since": now - WINDOW, "until": now, "budget": settings.ALERT_BUDGET})
        days, peak, in_force = cursor.fetchone()
    if days is None or days < SHORTEST_PAST_DAYS:
        return Reckoned(in_force, WITHOUT_PAST)
    return Reckoned(in_force, max(float(settings.ANOMALY_FLOOR), peak or 0.0))
