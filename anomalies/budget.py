"""The alert budget: the threshold that gives analysts as many new cases a day as they can take."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction

from anomalies import audit, openings
from anomalies.models import AlertBudget

QUERY = (Path(__file__).parent / "sql" / "alert_past.sql").read_text()

WINDOW = timedelta(days=14)
# How long a case is open where none was closed yet to tell.
OPEN_FOR = timedelta(days=1)
# So many of the strangest anomalies are looked at first for each case that is wanted, and so many times more then.
ROWS_A_CASE = 4
MORE_ROWS = 8
# One in a thousand transactions: until a day of anomalies has been seen, nobody knows what is too many.
WITHOUT_PAST = 60.0
SHORTEST_PAST_DAYS = 1.0
LEAST, MOST = 1, 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class BudgetError(ValueError):
    """The budget cannot be taken as it is; the text is a sentence for people."""


class Reckoned(NamedTuple):
    """The budget in force, and the threshold that follows from it."""

    cases_per_day: int
    threshold: float


class Past(NamedTuple):
    """What a threshold rests on; days: how much of the window there are anomalies for, None if there are none."""

    cases_per_day: int
    days: float | None
    open_for: timedelta
    strangest: openings.Past


def newest_or_setting() -> int:
    """The newest budget that somebody set in the console, else settings.ALERT_BUDGET."""
    newest = AlertBudget.objects.values_list("cases_per_day", flat=True).first()
    return settings.ALERT_BUDGET if newest is None else newest


@transaction.atomic
def change(cases_per_day: int, *, by: User) -> AlertBudget:
    """Let it be so many new cases a day from now on. Raises BudgetError.

    A live score goes by it within seconds, or a minute (`anomalies.renewed`); open cases stay open.
    """
    if not LEAST <= cases_per_day <= MOST:
        raise BudgetError(f"A budget is a whole number of cases a day, from {LEAST} to {MOST:,}.")
    before = {"cases_per_day": newest_or_setting()}
    made = AlertBudget.objects.create(cases_per_day=cases_per_day, by=by)
    audit.write("budget.changed", by=by, before=before, after={"cases_per_day": cases_per_day})
    return made


def threshold(now: datetime) -> float:
    """The score that would have opened as many cases a day as the budget over the 14 days before `now`.

    Cases are opened as `cases` does it, and stay open for as long as those closed in these days did in the median,
    OPEN_FOR if there are none. Never below settings.ANOMALY_FLOOR; WITHOUT_PAST as long as the anomalies reach back
    less than a day. One query over the index on anomalies' dates, so a run asks once and a server now and then, not
    for every row. For past data, `now` is its newest instant.
    """
    return reckoned(now).threshold


def reckoned(now: datetime) -> Reckoned:
    """`threshold`, and the budget that it follows from. One query, and one more if the strangest are of few users."""
    rows_a_case = ROWS_A_CASE
    while True:
        past = _past(now, rows_a_case)
        if past.days is None or past.days < SHORTEST_PAST_DAYS:
            return Reckoned(past.cases_per_day, WITHOUT_PAST)
        cases = past.cases_per_day * past.days
        found = openings.threshold(
            past.strangest,
            cases=cases,
            open_us=past.open_for // MICROSECOND,
            since_us=(now - WINDOW - EPOCH) // MICROSECOND,
        )
        if found is not None or len(past.strangest.user) <= rows_a_case * cases:
            return Reckoned(past.cases_per_day, max(float(settings.ANOMALY_FLOOR), found or 0.0))
        rows_a_case *= MORE_ROWS


def _past(now: datetime, rows_a_case: int) -> Past:
    parameters: dict[str, Any] = {
        "since": now - WINDOW,
        "until": now,
        "budget": settings.ALERT_BUDGET,
        "open_for": OPEN_FOR,
        "rows_a_case": rows_a_case,
    }
    with connection.cursor() as cursor:
        cursor.execute(QUERY, parameters)
        cases_per_day, days, open_for, *columns = cursor.fetchone()
    return Past(cases_per_day, days, open_for, openings.past(*(np.array(column) for column in columns)))
