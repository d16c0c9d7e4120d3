"""The dashboard: what came in, what waits, how well it is worked. A bounded number of indexed queries."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from django.apps import apps
from django.db.models import Count, F, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import TruncDate
from django.http import HttpRequest
from django.utils.timezone import now
from django.utils.translation import gettext as _

from anomalies import budget, figures
from anomalies.admin.charts import Chart, chart, days_up_to
from anomalies.admin.filters import level_range
from anomalies.cases import REACH
from anomalies.estimates import counted_rows
from anomalies.models import AlertBudget, Anomaly, Case
from anomalies.titles import title

# How many days the charts may show; the last one unless the address says another.
DAYS_SHOWN = (14, 30)
REASON_DAYS = 14
REASONS_SHOWN = 7
URGENT_SHOWN = 8
LEVELS = ("high", "medium", "low")
# Strangest at the bottom of a column, where days compare best.
STACK = LEVELS


class Bar(NamedTuple):
    """A name, how often it was met, and the length of its bar, 0 to 100; `code` is what an address says for it."""

    code: str
    title: str
    times: int
    length: float


class Board(NamedTuple):
    """What the dashboard shows."""

    transactions: tuple[int, bool]  # how many, and whether that is exact
    newest: datetime | None
    days: int
    first_day: date
    last_day: date
    reasons_from: date
    anomalies: Chart
    cases: Chart
    levels: list[tuple[str, int]]
    reasons: list[Bar]
    queue: figures.Queue
    oldest_age: timedelta | None
    ages: list[Bar]
    pace: list[figures.Pace]
    judged: figures.Judged
    analysts: list[figures.Analyst]
    urgent: Sequence[Case]
    budget: budget.Reckoned
    budget_set: AlertBudget | None
    scoring: figures.Scoring
    reference_lag: timedelta | None


def add_figures(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """For unfold's DASHBOARD_CALLBACK: the figures, for those who may see anomalies and cases."""
    if request.user.has_perms(["anomalies.view_anomaly", "anomalies.view_case"]):
        context["board"] = board(now(), days=days_asked(request.GET.get("days", "")))
        context["may_change_budget"] = request.user.has_perm("anomalies.change_alertbudget")
    return {**context, "title": _("Dashboard")}


def days_asked(text: str) -> int:
    """One of DAYS_SHOWN, the last one for anything else."""
    return next((days for days in DAYS_SHOWN if str(days) == text), DAYS_SHOWN[-1])


def board(moment: datetime, *, days: int = DAYS_SHOWN[-1]) -> Board:
    """The figures. Charts end at the newest anomaly, so that data of the past shows its own last days."""
    newest = Anomaly.objects.order_by("-txn_date").values_list("txn_date", flat=True).first()
    last = (newest or moment).astimezone(UTC).date()
    shown = days_up_to(last, days)
    by_day = daily_anomalies(shown[0])
    urgent = list(Case.objects.exclude(state=Case.State.CLOSED).select_related("assignee")[:URGENT_SHOWN])
    reasons_from = last - timedelta(days=REASON_DAYS - 1)
    waiting, doing = figures.queue(moment), figures.scoring()
    reckoned = budget.reckoned(newest or moment)
    until = doing.reference_until
    return Board(
        transactions=counted_rows(apps.get_model("transactions", "Transaction")._default_manager.all()),
        newest=newest,
        days=days,
        first_day=shown[0],
        last_day=last,
        reasons_from=reasons_from,
        anomalies=chart(shown, by_day, STACK),
        cases=chart(shown, daily_cases(shown[0]), ("cases",), limit=reckoned.cases_per_day),
        levels=[(level, sum(counts[level] for counts in by_day.values())) for level in LEVELS],
        reasons=top_reasons(reasons_from),
        queue=waiting,
        oldest_age=max(timedelta(0), moment - waiting.oldest) if waiting.oldest else None,
        ages=bars([(name, name, times) for name, times in waiting.ages]),
        pace=figures.pace(moment),
        judged=figures.precision(moment),
        analysts=figures.analysts(moment),
        urgent=urgent,
        budget=reckoned,
        budget_set=AlertBudget.objects.select_related("by").first(),
        scoring=doing,
        reference_lag=max(timedelta(0), (newest or moment) - until) if until else None,
    )


def bars(counted: Sequence[tuple[str, str, int]]) -> list[Bar]:
    """Codes, names and counts with bars that compare with each other."""
    most = max((times for _code, _name, times in counted), default=0) or 1
    return [Bar(code, name, times, round(100 * times / most, 1)) for code, name, times in counted]


def since_day(day: date) -> "QuerySet[Anomaly]":
    return Anomaly.objects.filter(txn_date__gte=datetime.combine(day, datetime.min.time(), UTC))


def daily_anomalies(first: date) -> dict[date, dict[str, int]]:
    """Anomalies of each day from `first` on, by level. One query over the index on dates."""
    levels = {name: Count("pk", filter=_of_level(name)) for name in LEVELS}
    rows = since_day(first).annotate(day=TruncDate("txn_date", tzinfo=UTC)).values("day").annotate(**levels)
    return {
        day: dict(zip(LEVELS, times, strict=True)) for day, *times in rows.values_list("day", *LEVELS).order_by("day")
    }


def _of_level(name: str) -> Q:
    low, high = level_range(name)
    below = Q() if name == LEVELS[0] else Q(score__lt=high)
    return Q(score__gte=low) & below


def daily_cases(first: date) -> dict[date, dict[str, int]]:
    """Cases by the day of the transaction that opened them, which is REACH after they begin."""
    start = datetime.combine(first, datetime.min.time(), UTC) - REACH
    opener = TruncDate(F("since") + REACH, tzinfo=UTC)
    rows = Case.objects.filter(since__gte=start).annotate(day=opener).values("day").annotate(cases=Count("pk"))
    return {row["day"]: {"cases": row["cases"]} for row in rows.order_by("day")}


def top_reasons(first: date) -> list[Bar]:
    """The kinds of evidence that were the strongest reason most often."""
    code = KeyTextTransform("code", KeyTransform(0, "reasons"))
    rows = since_day(first).annotate(code=code).values_list("code").annotate(times=Count("pk"))
    found = rows.order_by("-times", "code")[:REASONS_SHOWN]
    return bars([(name, title(name), times) for name, times in found if name])
