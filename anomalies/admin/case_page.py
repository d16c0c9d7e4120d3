"""What the page of one case shows, in a bounded number of queries."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.apps import apps
from django.contrib.auth.models import AnonymousUser, User
from django.utils.timezone import now
from django.utils.translation import gettext as _

from anomalies import handing
from anomalies.admin import timeline
from anomalies.models import Anomaly, Case, Verdict
from anomalies.profile import Payment, Profile, profile

ANOMALIES_SHOWN = 50
# Read for the timeline, the newest; what the profile is made of; and how many of them the page lists.
PAYMENTS_READ = 1_000
PROFILE_OF = 200
NEIGHBOURS_SHOWN = 20
LATER_SHOWN = 5
VERDICTS_READ = 200
EARLIER_CASES = 5
# Of the timeline; and how far back it can be moved.
DAYS = (7, 30, 90)
REACH = timedelta(days=730)
# Reasons that add less than this stand behind a fold.
WEAK = 0.05


class Bar(NamedTuple):
    """A reason and the length of its bar, 0 to 100."""

    reason: dict[str, Any]
    length: float


class Shown(NamedTuple):
    """An anomaly with its bars, the weak ones apart, and its verdicts, the latest first."""

    anomaly: Anomaly
    bars: list[Bar]
    weak: list[Bar]
    weak_sum: float
    verdicts: list[Verdict]


class Neighbour(NamedTuple):
    """A payment of the user near the case, and its anomaly if it is one."""

    payment: Payment
    anomaly: Anomaly | None


def context(case: Case, user: User | AnonymousUser, asked: Mapping[str, str]) -> dict[str, Any]:
    """Everything that the case's template needs. Four queries; with that for an undo five."""
    found = list(case.anomalies.filter(user_id=case.user_id).order_by("-score", "pk")[:ANOMALIES_SHOWN])
    said = list(Verdict.objects.filter(user_id=case.user_id).select_related("author")[:VERDICTS_READ])
    payments = around(case)
    shown = with_bars(found, said)
    return {
        "case": case,
        "shown": shown,
        "more": case.anomaly_count - len(shown),
        "unjudged": sum(not one.verdicts for one in shown) + max(0, case.anomaly_count - len(shown)),
        "history": said[:NEIGHBOURS_SHOWN],
        "profile": ordinary(payments, found),
        "neighbours": neighbours(payments, found),
        "earlier": earlier(case),
        "outcomes": Case.Outcome.choices,
        "likely": likely_outcome(shown),
        **picture(case, payments, found, asked),
        **allowed(case, user),
        **undo_offer(asked.get("after", ""), user),
    }


def allowed(case: Case, user: User | AnonymousUser) -> dict[str, Any]:
    """What this person may do with the case now."""
    is_mine = case.assignee_id == user.pk and case.state == Case.State.CLAIMED
    is_over = bool(case.lease_until and case.lease_until <= now())
    is_held = case.state == Case.State.CLAIMED and not is_mine and not is_over
    is_closed = case.state == Case.State.CLOSED
    may_review = user.has_perm("anomalies.review_case")
    may_change = may_review and not is_closed and not is_held
    return {
        "is_mine": is_mine,
        "is_held": is_held,
        "may_review": may_review,
        "may_judge_one": may_review,
        "may_change": may_change,
        "may_reassign": user.has_perm("anomalies.reassign_case"),
        "lease_ms": int(case.lease_until.timestamp() * 1000) if is_mine and case.lease_until else None,
    }


def picture(
    case: Case, payments: Sequence[Payment], found: Sequence[Anomaly], asked: Mapping[str, str]
) -> dict[str, Any]:
    """The timeline and the links that zoom it. Without a query: from what was read for the case."""
    days, until = window(asked, of=case)
    ids = {anomaly.pk for anomaly in found}
    drawn = timeline.draw(
        payments[::-1],
        {anomaly.pk: anomaly.score for anomaly in found},
        since=until - timedelta(days=days),
        until=until,
        currency=found[0].currency if found else "",
        marked=frozenset(ids),
    )
    step = timedelta(days=max(1, days // 2))
    return {
        "timeline": drawn,
        "marked_name": _("in this case"),
        "zooms": [(option, f"?days={option}", option == days) for option in DAYS],
        "earlier_url": f"?days={days}&until={(until - step).date()}",
        "later_url": f"?days={days}&until={(until + step).date()}" if until < end_of(case) else "",
    }


def window(asked: Mapping[str, str], *, of: Case) -> tuple[int, datetime]:
    """How many days the timeline shows, and until when; what cannot be read is as if it was not asked for."""
    days = int(asked["days"]) if asked.get("days", "") in {str(option) for option in DAYS} else DAYS[-1]
    try:
        until = datetime.fromisoformat(asked.get("until", "")).replace(tzinfo=UTC)
    except ValueError:
        until = end_of(of)
    return days, min(max(until, end_of(of) - REACH), end_of(of))


def end_of(case: Case) -> datetime:
    """The end of the day after the case's latest transaction: what came just after belongs to the story."""
    return case.latest_at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=2)


def undo_offer(after: str, user: User | AnonymousUser) -> dict[str, Any]:
    """The case that was just closed and can be taken back. One query if one is named, else none."""
    try:
        closed = handing.undoable(UUID(after), by=user)
    except ValueError:
        closed = None
    if closed is None or closed.closed_at is None:
        return {"undoable": None}
    left = handing.UNDO - (now() - closed.closed_at)
    return {"undoable": closed, "undo_ms": max(0, int(left.total_seconds() * 1000))}


def with_bars(anomalies: Sequence[Anomaly], verdicts: Sequence[Verdict]) -> list[Shown]:
    """Anomalies with their reasons as bars on one common scale, so that they compare across the page."""
    reasons = [reason for anomaly in anomalies for reason in anomaly.reasons]
    longest = max((reason["contribution"] for reason in reasons), default=0) or 1
    said: dict[UUID, list[Verdict]] = {}
    for verdict in verdicts:
        said.setdefault(verdict.transaction_id, []).append(verdict)
    # The latest one counts: while it is a withdrawal, none does.
    standing = {pk: given for pk, given in said.items() if given[0].value != Verdict.WITHDRAWN}
    return [_shown(anomaly, longest, standing.get(anomaly.pk, [])) for anomaly in anomalies]


def _shown(anomaly: Anomaly, longest: float, said: list[Verdict]) -> Shown:
    bars = [Bar(reason, round(100 * reason["contribution"] / longest, 1)) for reason in anomaly.reasons]
    weak = [bar for bar in bars if bar.reason["contribution"] < WEAK]
    strong = [bar for bar in bars if bar not in weak]
    return Shown(anomaly, strong, weak, sum(bar.reason["contribution"] for bar in weak), said)


def likely_outcome(shown: Sequence[Shown]) -> str:
    """The gravest of the latest verdicts on the case's transactions."""
    latest = {one.verdicts[0].value for one in shown if one.verdicts}
    order = (Verdict.Value.FRAUD, Verdict.Value.UNSURE, Verdict.Value.EXPECTED, Verdict.Value.LEGITIMATE)
    return next((value for value in order if value in latest), Verdict.Value.UNSURE)


def around(case: Case) -> list[Payment]:
    """The user's payments up to the case's latest one and a few after, newest first. One query."""
    rows = apps.get_model("transactions", "Transaction")._default_manager.filter(user_id=case.user_id)
    until = rows.filter(txn_date__lte=case.latest_at).order_by("-txn_date", "id")[:PAYMENTS_READ]
    later = rows.filter(txn_date__gt=case.latest_at).order_by("txn_date", "id")[:LATER_SHOWN]
    read = until.values_list(*Payment._fields).union(later.values_list(*Payment._fields), all=True)
    # In two steps: newest first, and of one instant in the order of their ids, as in the lists.
    return sorted(sorted((Payment(*row) for row in read), key=by_id), key=by_time, reverse=True)


def by_id(payment: Payment) -> UUID:
    return payment.id


def by_time(payment: Payment) -> datetime:
    return payment.txn_date


def ordinary(payments: Sequence[Payment], anomalies: Sequence[Anomaly]) -> Profile | None:
    """The profile of the user without what the case is about."""
    odd = {anomaly.pk for anomaly in anomalies}
    return profile([payment for payment in payments if payment.id not in odd][:PROFILE_OF])


def neighbours(payments: Sequence[Payment], anomalies: Sequence[Anomaly]) -> list[Neighbour]:
    found = {anomaly.pk: anomaly for anomaly in anomalies}
    return [Neighbour(payment, found.get(payment.id)) for payment in payments[:NEIGHBOURS_SHOWN]]


def earlier(case: Case) -> list[Case]:
    cases = Case.objects.filter(user_id=case.user_id, opened_at__lte=case.opened_at).exclude(pk=case.pk)
    return list(cases.select_related("closed_by").order_by("-opened_at")[:EARLIER_CASES])


def strangest_of(cases: Sequence[Case]) -> dict[UUID, Anomaly]:
    """The strangest anomaly of each case. One query."""
    found = (
        Anomaly.objects.filter(user_id__in=[case.user_id for case in cases], case__in=[case.pk for case in cases])
        .order_by("case_id", "-score", "pk")
        .distinct("case_id")
        .only("case_id", "amount", "currency", "reasons", "score")
    )
    return {anomaly.case_id: anomaly for anomaly in found if anomaly.case_id}
