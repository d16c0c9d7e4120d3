"""What the page of one case shows, in a bounded number of queries."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.apps import apps
from django.contrib.auth.models import AnonymousUser, User
from django.urls import reverse
from django.utils.timezone import now

from anomalies.models import Anomaly, Case, Verdict
from anomalies.profile import Payment, Profile, profile

ANOMALIES_SHOWN = 50
# What the profile is made of, and how many of them the page lists.
PAYMENTS_READ = 200
NEIGHBOURS_SHOWN = 20
LATER_SHOWN = 5
VERDICTS_READ = 200
EARLIER_CASES = 5
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


def context(case: Case, user: User | AnonymousUser) -> dict[str, Any]:
    """Everything that the case's template needs. Eight queries at most."""
    found = list(case.anomalies.filter(user_id=case.user_id).order_by("-score", "pk")[:ANOMALIES_SHOWN])
    said = list(Verdict.objects.filter(user_id=case.user_id).select_related("author")[:VERDICTS_READ])
    shown = with_bars(found, said)
    payments = around(case)
    is_mine = case.assignee_id == user.pk
    is_held = case.state == Case.State.CLAIMED and not is_mine and bool(case.lease_until and case.lease_until > now())
    is_closed = case.state == Case.State.CLOSED
    return {
        "case": case,
        "shown": shown,
        "more": case.anomaly_count - len(shown),
        "unjudged": sum(not one.verdicts for one in shown) + max(0, case.anomaly_count - len(shown)),
        "history": said[:NEIGHBOURS_SHOWN],
        "profile": ordinary(payments, found),
        "neighbours": neighbours(payments, found),
        "earlier": earlier(case),
        "next_case": next_case(case) if is_closed else None,
        "outcomes": Verdict.Value.choices,
        "likely": likely_outcome(shown),
        "is_mine": is_mine,
        "is_held": is_held,
        "may_judge": user.has_perm("anomalies.add_verdict") and not is_closed and not is_held,
        "may_judge_one": user.has_perm("anomalies.add_verdict"),
        "may_change": user.has_perm("anomalies.change_case") and not is_closed and not is_held,
    }


def with_bars(anomalies: Sequence[Anomaly], verdicts: Sequence[Verdict]) -> list[Shown]:
    """Anomalies with their reasons as bars on one common scale, so that they compare across the page."""
    reasons = [reason for anomaly in anomalies for reason in anomaly.reasons]
    longest = max((reason["contribution"] for reason in reasons), default=0) or 1
    said: dict[UUID, list[Verdict]] = {}
    for verdict in verdicts:
        said.setdefault(verdict.transaction_id, []).append(verdict)
    return [_shown(anomaly, longest, said.get(anomaly.pk, [])) for anomaly in anomalies]


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
    """The user's payments up to the case's latest one and a few after, newest first. Two queries."""
    rows = apps.get_model("transactions", "Transaction")._default_manager.filter(user_id=case.user_id)
    until = rows.filter(txn_date__lte=case.latest_at).order_by("-txn_date", "id")[:PAYMENTS_READ]
    later = rows.filter(txn_date__gt=case.latest_at).order_by("txn_date", "id")[:LATER_SHOWN]
    return [
        *reversed([Payment(*row) for row in later.values_list(*Payment._fields)]),
        *(Payment(*row) for row in until.values_list(*Payment._fields)),
    ]


def ordinary(payments: Sequence[Payment], anomalies: Sequence[Anomaly]) -> Profile | None:
    """The profile of the user without what the case is about."""
    odd = {anomaly.pk for anomaly in anomalies}
    return profile([payment for payment in payments if payment.id not in odd])


def neighbours(payments: Sequence[Payment], anomalies: Sequence[Anomaly]) -> list[Neighbour]:
    found = {anomaly.pk: anomaly for anomaly in anomalies}
    return [Neighbour(payment, found.get(payment.id)) for payment in payments[:NEIGHBOURS_SHOWN]]


def earlier(case: Case) -> list[Case]:
    cases = Case.objects.filter(user_id=case.user_id, opened_at__lte=case.opened_at).exclude(pk=case.pk)
    return list(cases.select_related("closed_by").order_by("-opened_at")[:EARLIER_CASES])


def next_case(case: Case) -> str | None:
    """The address of the most urgent case that nobody works on."""
    found = Case.objects.filter(state=Case.State.OPEN).exclude(pk=case.pk).order_by("-priority", "id")
    pk = found.values_list("pk", flat=True).first()
    return reverse("admin:anomalies_case_change", args=[pk]) if pk else None


def strangest_of(cases: Sequence[Case]) -> dict[UUID, Anomaly]:
    """The strangest anomaly of each case. One query."""
    found = (
        Anomaly.objects.filter(user_id__in=[case.user_id for case in cases], case__in=[case.pk for case in cases])
        .order_by("case_id", "-score", "pk")
        .distinct("case_id")
        .only("case_id", "amount", "currency", "reasons", "score")
    )
    return {anomaly.case_id: anomaly for anomaly in found if anomaly.case_id}
