"""Users in the admin: there is no table of them, so whoever has an id has a page, with or without anomalies."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from anomalies.admin.timeline import timeline
from anomalies.models import Anomaly, Case, Verdict
from anomalies.profile import FEWEST_ROWS, Payment, profile
from transactions.models import Transaction
from transactions.recent import PROFILE_ROWS

SUMMARY = (Path(__file__).parents[1] / "sql" / "user_summary.sql").read_text()
# As far as a user's transactions are counted.
MOST_COUNTED = 10_000
PAYMENTS_SHOWN = 50
ANOMALIES_SHOWN = 8
CASES_SHOWN = 10
VERDICTS_SHOWN = 20
BUSY_USERS = 12
# How many days the timeline may show; the middle one unless the address says another.
ZOOMS = (30, 90, 365)
PERMISSION = "transactions.view_transaction"


class Summary(NamedTuple):
    """A user in a few numbers; instants are unknown without transactions, and the count may have stopped."""

    first: datetime | None
    last: datetime | None
    transactions: int
    anomalies: int

    @property
    def counted(self) -> tuple[int, bool]:
        return min(self.transactions, MOST_COUNTED), self.transactions <= MOST_COUNTED


class Place(NamedTuple):
    """A place in a user's transactions, newest first: after this row."""

    txn_date: datetime
    id: UUID

    def __str__(self) -> str:
        return f"{self.txn_date.astimezone(UTC).isoformat().replace('+00:00', 'Z')}_{self.id}"


class Shown(NamedTuple):
    """A payment of the list, its anomaly if it is one, and the verdict on it that stands."""

    payment: Payment
    anomaly: Anomaly | None
    verdict: Verdict | None


@require_safe
def users(request: HttpRequest) -> HttpResponse:
    """Where a user is looked up by id: the id of a transaction leads to that one. Otherwise who has cases to do."""
    _check(request)
    asked = request.GET.get("q", "").strip()
    wanted = _uuid(asked)
    if wanted is not None:
        name = "admin:transactions_transaction_change" if _is_transaction(wanted) else "console_user"
        return HttpResponseRedirect(reverse(name, args=[wanted]))
    waiting = Case.objects.exclude(state=Case.State.CLOSED).order_by("-priority", "id")
    context = {
        **admin.site.each_context(request),
        "title": _("Users"),
        "asked": asked,
        "waiting": list(waiting.select_related("assignee")[:BUSY_USERS]),
    }
    return TemplateResponse(request, "console/users.html", context)


@require_safe
def user(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """Everything known of one user, in a bounded number of queries."""
    _check(request)
    context = {
        **admin.site.each_context(request),
        **about(user_id, place_of(request.GET.get("before", "")), days=days_asked(request.GET.get("days", ""))),
        "title": _("User …%(end)s") % {"end": str(user_id)[-8:]},
        "user_id": user_id,
    }
    return TemplateResponse(request, "console/user.html", context)


def about(user_id: UUID, before: Place | None, *, days: int) -> dict[str, Any]:
    """What the page shows: transactions after `before`, a timeline of so many days that ends with them."""
    newest = payments(user_id, None, PROFILE_ROWS)
    # One more than shown tells whether there are older ones.
    page = payments(user_id, before, PAYMENTS_SHOWN + 1) if before else newest[: PAYMENTS_SHOWN + 1]
    shown = page[:PAYMENTS_SHOWN]
    cases = Case.objects.filter(user_id=user_id).select_related("assignee", "closed_by")
    verdicts = Verdict.objects.filter(user_id=user_id).select_related("author")
    return {
        "summary": summary(user_id),
        "profile": profile(newest),
        "fewest": FEWEST_ROWS,
        "payments": judged(user_id, shown),
        "timeline": drawn(user_id, shown, days),
        "zooms": [(zoom, zoom_url(zoom, before), zoom == days) for zoom in ZOOMS],
        "older": Place(shown[-1].txn_date, shown[-1].id) if len(page) > len(shown) else None,
        "before": before,
        "cases": list(cases.order_by("-opened_at")[:CASES_SHOWN]),
        "history": list(verdicts.order_by("-known_at", "-id")[:VERDICTS_SHOWN]),
        "anomalies": list(Anomaly.objects.filter(user_id=user_id).defer("features")[:ANOMALIES_SHOWN]),
    }


def summary(user_id: UUID) -> Summary:
    """One query, which stops counting at a bound."""
    with connection.cursor() as cursor:
        cursor.execute(SUMMARY, {"user_id": user_id, "most": MOST_COUNTED})
        return Summary(*cursor.fetchone())


def payments(user_id: UUID, before: Place | None, most: int) -> list[Payment]:
    """The user's transactions, newest first, of `ix_user_date_amount_id` alone."""
    rows = Transaction.objects.filter(user_id=user_id).order_by("-txn_date", "id")
    if before is not None:
        # The first condition is what the index seeks by.
        after = Q(txn_date__lt=before.txn_date) | Q(txn_date=before.txn_date, id__gt=before.id)
        rows = rows.filter(after, txn_date__lte=before.txn_date)
    return [Payment(*row) for row in rows.values_list(*Payment._fields)[:most]]


def judged(user_id: UUID, page: Sequence[Payment]) -> list[Shown]:
    """The payments with what was found and said about them. Two queries."""
    ids = [payment.id for payment in page]
    found = Anomaly.objects.filter(user_id=user_id, pk__in=ids).only("score").in_bulk() if ids else {}
    said: dict[UUID, Verdict] = {}
    if ids:
        for verdict in Verdict.objects.filter(user_id=user_id, transaction_id__in=ids).order_by("known_at", "id"):
            said[verdict.transaction_id] = verdict
    standing = {id: verdict for id, verdict in said.items() if verdict.value != Verdict.WITHDRAWN}  # noqa: A001
    return [Shown(payment, found.get(payment.id), standing.get(payment.id)) for payment in page]


def drawn(user_id: UUID, shown: Sequence[Payment], days: int) -> Any:
    """The timeline up to the newest payment of the list."""
    if not shown:
        return None
    until = shown[0].txn_date + timedelta(seconds=1)
    return timeline(user_id, until - timedelta(days=days), until)


def zoom_url(days: int, before: Place | None) -> str:
    return "?" + urlencode({"days": days, **({"before": str(before)} if before else {})})


def days_asked(text: str) -> int:
    return next((days for days in ZOOMS if str(days) == text), ZOOMS[1])


def place_of(text: str) -> Place | None:
    """The place that an address names; the newest row for anything that is none."""
    moment, _sign, id_text = text.partition("_")
    wanted = _uuid(id_text)
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return Place(at, wanted) if wanted is not None and at.tzinfo is not None else None


def _check(request: HttpRequest) -> None:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied


def _is_transaction(wanted: UUID) -> bool:
    return Transaction.objects.filter(pk=wanted).exists()


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


urls: list[URLPattern] = [
    path("", admin.site.admin_view(users), name="console_users"),
    path("<uuid:user_id>/", admin.site.admin_view(user), name="console_user"),
]
