"""The dashboard: what came in, what waits, and where to begin. A bounded number of indexed queries."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.db.models import Count, F, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import TruncDate
from django.http import HttpRequest
from django.utils.timezone import now
from django.utils.translation import gettext as _

from anomalies import budget
from anomalies.admin import case_page
from anomalies.admin.charts import Chart, chart, days_up_to
from anomalies.admin.filters import level_range
from anomalies.cases import REACH
from anomalies.estimates import counted_rows
from anomalies.models import Anomaly, Case, PendingScore, Reference, Verdict
from anomalies.titles import title

DAYS_SHOWN = 30
REASON_DAYS = 14
REASONS_SHOWN = 7
URGENT_SHOWN = 8
LEVELS = ("high", "medium", "low")
# Strangest at the bottom of a column, where days compare best.
STACK = LEVELS


class Reason(NamedTuple):
    """How often a kind of evidence was the strongest one; `length` of its bar is 0 to 100."""

    code: str
    title: str
    times: int
    length: float


class Board(NamedTuple):
    """What the dashboard shows."""

    transactions: tuple[int, bool]  # how many, and whether that is exact
    newest: datetime | None
    first_day: date
    last_day: date
    reasons_from: date
    anomalies: Chart
    cases: Chart
    levels: list[tuple[str, int]]
    reasons: list[Reason]
    queue: Mapping[str, int]
    urgent: Sequence[Case]
    strangest: Mapping[UUID, Anomaly]
    threshold: float
    alert_budget: int
    pending: tuple[int, bool]
    reference: Reference | None
    reference_lag: timedelta | None
    verdicts: Sequence[tuple[str, int]]


def add_figures(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """For unfold's DASHBOARD_CALLBACK: the figures, for those who may see anomalies and cases."""
    if request.user.has_perms(["anomalies.view_anomaly", "anomalies.view_case"]):
        context["board"] = board(now())
    return {**context, "title": _("Dashboard")}


def board(moment: datetime) -> Board:
    """The figures. They end at the newest anomaly, so that data of the past shows its own last days."""
    newest = Anomaly.objects.order_by("-txn_date").values_list("txn_date", flat=True).first()
    last = (newest or moment).astimezone(UTC).date()
    days = days_up_to(last, DAYS_SHOWN)
    by_day = daily_anomalies(days[0])
    urgent = list(Case.objects.exclude(state=Case.State.CLOSED).select_related("assignee")[:URGENT_SHOWN])
    reference = Reference.objects.only("until", "rows").order_by("-until").first()
    reasons_from = last - timedelta(days=REASON_DAYS - 1)
    return Board(
        transactions=counted_rows(apps.get_model("transactions", "Transaction")._default_manager.all()),
        newest=newest,
        first_day=days[0],
        last_day=last,
        reasons_from=reasons_from,
        anomalies=chart(days, by_day, STACK),
        cases=chart(days, daily_cases(days[0]), ("cases",), limit=settings.ALERT_BUDGET),
        levels=[(level, sum(counts[level] for counts in by_day.values())) for level in LEVELS],
        reasons=top_reasons(reasons_from),
        queue=queue(),
        urgent=urgent,
        strangest=case_page.strangest_of(urgent),
        threshold=budget.threshold(newest or moment),
        alert_budget=settings.ALERT_BUDGET,
        pending=counted_rows(PendingScore.objects.all()),
        reference=reference,
        reference_lag=max(timedelta(0), (newest or moment) - reference.until) if reference else None,
        verdicts=recent_verdicts(moment - timedelta(days=REASON_DAYS)),
    )


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


def top_reasons(first: date) -> list[Reason]:
    """The kinds of evidence that were the strongest reason most often."""
    code = KeyTextTransform("code", KeyTransform(0, "reasons"))
    rows = since_day(first).annotate(code=code).values_list("code").annotate(times=Count("pk"))
    found = [(name, times) for name, times in rows.order_by("-times", "code")[:REASONS_SHOWN] if name]
    most = max((times for _name, times in found), default=1)
    return [Reason(name, title(name), times, round(100 * times / most, 1)) for name, times in found]


def queue() -> dict[str, int]:
    """Cases not closed: all of them, those nobody holds, those of the highest level. One index scan."""
    low, _high = level_range("high")
    return Case.objects.exclude(state=Case.State.CLOSED).aggregate(
        todo=Count("pk"),
        claimed=Count("pk", filter=Q(state=Case.State.CLAIMED)),
        high=Count("pk", filter=Q(priority__gte=low)),
    )


def recent_verdicts(since: datetime) -> list[tuple[str, int]]:
    rows = Verdict.objects.filter(known_at__gte=since).values_list("value").annotate(times=Count("pk"))
    times = dict(rows.order_by())
    return [(value, times[value]) for value in Verdict.Value.values if value in times]
