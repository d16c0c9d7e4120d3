"""The figures of the work: how fast, how right, how much waits. Each is one bounded query; none counts transactions."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Count, Min, Q

from anomalies.models import Case
from scoring.blend import LEVELS

SQL = Path(__file__).parent / "sql"
PACE = (SQL / "figures_pace.sql").read_text()
PRECISION = (SQL / "figures_precision.sql").read_text()
ANALYSTS = (SQL / "figures_analysts.sql").read_text()
SCORING = (SQL / "figures_scoring.sql").read_text()

# The windows for the time to a verdict.
PACE_DAYS = (7, 30)
# Verdicts are few, so that precision looks further back.
PRECISION_DAYS = 90
# And no further than so many: the interval hardly narrows, and the page has half a second.
PRECISION_OF = 10_000
LOAD_DAYS = 7
ANALYSTS_SHOWN = 12
# Rows and users that wait are counted up to here.
MOST_COUNTED = 10_000
# Two-sided 95 %.
NORMAL_95 = 1.959963984540054
# A case of the age on the left is younger than it; the last name is for older ones.
AGES = (
    (timedelta(hours=4), "under 4 h"),
    (timedelta(days=1), "4 to 24 h"),
    (timedelta(days=3), "1 to 3 d"),
    (timedelta(days=7), "3 to 7 d"),
)
OLDEST = "over 7 d"


class Queue(NamedTuple):
    """Cases not closed: how many, held, of the highest level, and by age; when the oldest was opened."""

    todo: int
    claimed: int
    high: int
    ages: list[tuple[str, int]]
    oldest: datetime | None


class Pace(NamedTuple):
    """How long the cases closed in the last `days` took from opening to verdict; unknown if none was."""

    days: int
    closed: int
    median: timedelta | None
    ninth: timedelta | None  # nine in ten took at most this


class Precision(NamedTuple):
    """The share of judged anomalies that were frauds, with its 95 % interval; unknown without a verdict."""

    name: str
    judged: int
    frauds: int
    low: float
    high: float

    @property
    def share(self) -> float | None:
        return self.frauds / self.judged if self.judged else None


class Judged(NamedTuple):
    """Precision over all levels, by level, and by the group of the strongest reason, most verdicts first."""

    overall: Precision
    levels: list[Precision]
    reasons: list[Precision]


class Analyst(NamedTuple):
    """What one analyst holds now, has closed since midnight (UTC) and in LOAD_DAYS, and how long those took."""

    name: str
    held: int
    today: int
    closed: int
    median: timedelta | None


class Scoring(NamedTuple):
    """What waits for a score and what scores are given by. Counts stop at MOST_COUNTED + 1."""

    users: int
    rows: int
    oldest: datetime | None
    model: str | None
    reference_until: datetime | None
    reference_rows: int | None


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share; from 0 to 1 without trials. Source: Wilson 1927."""
    if not trials:
        return 0.0, 1.0
    share, square = successes / trials, NORMAL_95**2
    middle = share + square / (2 * trials)
    half = NORMAL_95 * math.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    low, high = (middle - half) / (1 + square / trials), (middle + half) / (1 + square / trials)
    # At the ends the formula gives them exactly, floating point not quite.
    return (0.0 if successes == 0 else low), (1.0 if successes == trials else high)


def queue(now: datetime) -> Queue:
    """The cases that wait. One query over those not closed."""
    bounds = [timedelta(0), *(age for age, _name in AGES)]
    named = {f"age_{place}": Count("pk", filter=_aged(now, place, bounds)) for place in range(len(bounds))}
    found = Case.objects.exclude(state=Case.State.CLOSED).aggregate(
        todo=Count("pk"),
        claimed=Count("pk", filter=Q(state=Case.State.CLAIMED)),
        high=Count("pk", filter=Q(priority__gte=LEVELS[0][0])),
        oldest=Min("opened_at"),
        **named,
    )
    names = [*(name for _age, name in AGES), OLDEST]
    ages = [(name, found[f"age_{place}"]) for place, name in enumerate(names)]
    return Queue(found["todo"], found["claimed"], found["high"], ages, found["oldest"])


def _aged(now: datetime, place: int, bounds: Sequence[timedelta]) -> Q:
    """Opened so long ago; the youngest also if the clocks of two machines differ."""
    young = Q(opened_at__lte=now - bounds[place]) if place else Q()
    return young & Q(opened_at__gt=now - bounds[place + 1]) if place + 1 < len(bounds) else young


def pace(now: datetime) -> list[Pace]:
    """How long verdicts took in each of PACE_DAYS. One query over the cases closed since."""
    return [
        Pace(days, closed, _span(median), _span(ninth))
        for days, closed, median, ninth in _rows(PACE, {"days": list(PACE_DAYS), "now": now})
    ]


def precision(now: datetime) -> Judged:
    """How right the flags were, by the newest verdicts of PRECISION_DAYS. One query over at most PRECISION_OF."""
    starts = {name: least for least, name in LEVELS}
    asked = {
        "since": now - timedelta(days=PRECISION_DAYS),
        "until": now,
        "most": PRECISION_OF,
        "high": starts["high"],
        "medium": starts["medium"],
    }
    levels, reasons, overall = {}, [], _precision("", 0, 0)
    for over_levels, over_reasons, name, judged, frauds in _rows(PRECISION, asked):
        one = _precision(name or "", judged, frauds)
        if over_levels and over_reasons:
            overall = one
        elif over_reasons:
            levels[name] = one
        else:
            reasons.append(one)
    return Judged(overall, [levels.get(name, _precision(name, 0, 0)) for name in ("high", "medium", "low")], reasons)


def analysts(now: datetime) -> list[Analyst]:
    """Who works on what, busiest first. One query over the cases held and those closed lately."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    asked = {"now": now, "today": midnight, "since": now - timedelta(days=LOAD_DAYS), "most": ANALYSTS_SHOWN}
    return [
        Analyst(name, held, today, closed, _span(median))
        for name, held, today, closed, median in _rows(ANALYSTS, asked)
    ]


def scoring() -> Scoring:
    """What scoring is doing. One query, whatever waits."""
    ((*told,),) = _rows(SCORING, {"most": MOST_COUNTED})
    return Scoring(*told)


def _precision(name: str, judged: int, frauds: int) -> Precision:
    return Precision(name, judged, frauds, *wilson(frauds, judged))


def _span(seconds: Any) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=float(seconds))


def _rows(query: str, asked: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, asked)
        return list(cursor.fetchall())
