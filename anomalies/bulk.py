"""One change to many cases: a verdict, closing, giving to an analyst, releasing.

First it is wished for, and the cases that it means are written down; then somebody confirms it, and it is done a
thousand cases at a time, each thousand a database transaction of its own with the same handful of statements as one
case takes. What cannot be done is left out and counted: nobody waits for a case that another one is changing.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Now

from anomalies import audit, cases, handing, outbox, verdicts
from anomalies.analysts import REVIEW
from anomalies.desk import BulkChange
from anomalies.models import Case, Verdict

UNJUDGED = (Path(__file__).parent / "sql" / "bulk_unjudged.sql").read_text()
# Cases in one database transaction.
CHUNK = 1_000
# Cases in one change. More than anybody has open; their ids are kept in one row.
MOST = 50_000
# A wish that nobody confirmed is forgotten with its author's next one.
FORGOTTEN = timedelta(days=1)
REASSIGN = "anomalies.reassign_case"

Action = BulkChange.Action


class BulkError(Exception):
    """The change cannot be made as wished; the text is a sentence for people."""


@dataclass(frozen=True)
class Held:
    """A case that is locked, as it was before the change."""

    id: UUID
    user_id: UUID
    priority: float
    state: str
    assignee_id: int | None
    assignee: str | None
    outcome: str


def wish(
    found: "QuerySet[Case]",
    *,
    action: str,
    by: User,
    value: str = "",
    assignee: User | None = None,
    query: str = "",
) -> BulkChange:
    """Write down which cases the change means: those of `found` that are not closed now. Nothing is changed yet.

    Raises BulkError, and PermissionDenied if `by` may not.
    """
    check(action, by=by, value=value, assignee=assignee)
    ids = list(found.exclude(state=Case.State.CLOSED).order_by("id").values_list("pk", flat=True)[: MOST + 1])
    if not ids:
        raise BulkError("There is no case to change: select some that are not closed.")
    if len(ids) > MOST:
        raise BulkError(f"More than {MOST:,} cases: narrow the filters, and do it in parts.")
    BulkChange.objects.filter(author=by, created_at__lt=Now() - FORGOTTEN).delete()
    return BulkChange.objects.create(
        author=by, action=action, value=value, assignee=assignee, query=query, cases=ids, total=len(ids)
    )


def check(action: str, *, by: User, value: str, assignee: User | None) -> None:
    """Raises BulkError for what makes no sense, PermissionDenied for what `by` may not do."""
    if action not in Action.values:
        raise BulkError("Choose what to do with the cases.")
    if not by.has_perm(REVIEW) or (action == Action.ASSIGN and assignee != by and not by.has_perm(REASSIGN)):
        raise PermissionDenied
    if action in (Action.VERDICT, Action.CLOSE) and value not in Case.Outcome.values:
        raise BulkError(f"Choose one of {', '.join(Case.Outcome.values)}.")
    if action == Action.ASSIGN and (assignee is None or not (assignee.is_active and assignee.has_perm(REVIEW))):
        raise BulkError("Choose an analyst who may review cases.")


@dataclass(frozen=True)
class Outlook:
    """What a change would come to if it were confirmed now."""

    ready: int
    held: int
    closed: int
    anomalies: int


def outlook(change: BulkChange) -> Outlook:
    """How many of the cases could be changed now, and what stands against the others. One query."""
    rows = Case.objects.filter(pk__in=change.cases[change.position :]).exclude(state=Case.State.CLOSED)
    free = _free(change)
    found = rows.aggregate(
        working=Count("pk"), ready=Count("pk", filter=free), anomalies=Sum("anomaly_count", filter=free)
    )
    held, closed = found["working"] - found["ready"], change.total - change.position - found["working"]
    return Outlook(found["ready"], held, closed, found["anomalies"] or 0)


@transaction.atomic
def step(change_id: UUID, *, by: User, note: str = "") -> BulkChange:
    """Do the next thousand cases of a confirmed change. Whoever sends it twice does not do it twice.

    Raises BulkError, verdicts.VerdictError, PermissionDenied; BulkChange.DoesNotExist if it is not `by`'s.
    """
    change = BulkChange.objects.select_for_update(of=("self",)).select_related("assignee").get(pk=change_id, author=by)
    check(change.action, by=by, value=change.value, assignee=change.assignee)
    if change.position == 0:
        change.note = note.strip()
    wanted = change.cases[change.position : change.position + CHUNK]
    if wanted:
        tally = Counter(change.tally) + _change(change, wanted, by)
        change.tally, change.position = dict(tally), change.position + len(wanted)
        change.save(update_fields=["note", "tally", "position"])
    return change


def _change(change: BulkChange, wanted: Sequence[UUID], by: User) -> Counter[str]:
    """Change what can be changed of these cases; how many came to what."""
    held, left_out = _lock(change, wanted)
    if not held:
        return left_out
    done = WAYS[Action(change.action)](change, held, by)
    return left_out + done


def _lock(change: BulkChange, wanted: Sequence[UUID]) -> tuple[list[Held], Counter[str]]:
    """Those of the cases that can be changed, locked; how many cannot, and why. Two queries."""
    # Not waiting, it cannot wait for somebody who waits for us either.
    rows = (
        Case.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related("assignee")
        .filter(pk__in=wanted)
        .order_by("user_id")
        .only("id", "user_id", "priority", "state", "outcome", "assignee__username")
        .annotate(is_free=_free(change))
    )
    told: Counter[str] = Counter()
    held: list[Held] = []
    for case in rows:
        reason = _against(change, case)
        if reason:
            told[reason] += 1
            continue
        name = case.assignee.username if case.assignee else None
        held.append(Held(case.pk, case.user_id, case.priority, case.state, case.assignee_id, name, case.outcome))
    missing = len(wanted) - len(held) - told.total()
    if missing:
        there = Case.objects.filter(pk__in=wanted).count() - len(held) - told.total()
        told += Counter(busy=max(0, there), gone=max(0, missing - there))
    return held, told


def _against(change: BulkChange, case: Any) -> str:
    """Why this case stays as it is; empty if nothing does."""
    if case.state == Case.State.CLOSED:
        return "closed"
    if not case.is_free:
        return "held"
    is_claimed = case.state == Case.State.CLAIMED
    if change.action == Action.RELEASE and not is_claimed:
        return "same"
    if change.action == Action.ASSIGN and is_claimed and case.assignee_id == change.assignee_id:
        return "same"
    return ""


def _free(change: BulkChange) -> Q:
    """Cases that nobody else is working on: what one case alone demands too."""
    return Q(state=Case.State.OPEN) | Q(assignee=change.author_id) | Q(lease_until__lt=Now())


def _verdict(change: BulkChange, held: Sequence[Held], by: User) -> Counter[str]:
    parameters: dict[str, Any] = {
        "ids": [case.id for case in held],
        "users": [case.user_id for case in held],
        "withdrawn": Verdict.WITHDRAWN,
    }
    with connection.cursor() as cursor:
        cursor.execute(UNJUDGED, parameters)
        rows = cursor.fetchall()
    given = verdicts.give_many(rows, value=change.value, author=by, note=change.note)
    judged = {case_id for case_id, _user, _transaction in rows}
    # As with one case: where nothing is left to judge, a verdict and its note would be lost.
    done = [case for case in held if case.id in judged]
    if done:
        _closed(done, change, by, at=given[0].known_at)
    return Counter(done=len(done), verdicts=len(given), judged=len(held) - len(done))


def _close(change: BulkChange, held: Sequence[Held], by: User) -> Counter[str]:
    _closed(held, change, by, at=Now())
    return Counter(done=len(held))


def _closed(held: Sequence[Held], change: BulkChange, by: User, *, at: Any) -> None:
    Case.objects.filter(pk__in=[case.id for case in held]).update(
        state=Case.State.CLOSED, outcome=change.value, closed_at=at, closed_by=by, lease_until=None
    )
    after = {"state": Case.State.CLOSED, "outcome": change.value}
    outbox.emit_many(
        [
            outbox.case_closed(case.id, case.user_id, case.priority, outcome=change.value, by=by.username)
            for case in held
        ]
    )
    _told("case.closed", held, change, by, after)


def _assign(change: BulkChange, held: Sequence[Held], by: User) -> Counter[str]:
    to = change.assignee
    if to is None:
        raise BulkError("The analyst's account is gone.")
    # To oneself it is claiming; others may not be at their desk.
    lease = cases.LEASE if to == by else handing.GIVEN
    Case.objects.filter(pk__in=[case.id for case in held]).update(
        state=Case.State.CLAIMED, assignee=to, lease_until=Now() + lease
    )
    action = "case.claimed" if to == by else "case.assigned"
    _told(action, held, change, by, {"state": Case.State.CLAIMED, "assignee": to.username})
    return Counter(done=len(held))


def _release(change: BulkChange, held: Sequence[Held], by: User) -> Counter[str]:
    Case.objects.filter(pk__in=[case.id for case in held]).update(
        state=Case.State.OPEN, assignee=None, lease_until=None
    )
    _told("case.released", held, change, by, {"state": Case.State.OPEN, "assignee": None})
    return Counter(done=len(held))


def _told(action: str, held: Iterable[Held], change: BulkChange, by: User, after: dict[str, Any]) -> None:
    """The audit log's entries, one for each case; `subject` says of which bulk change it was a part."""
    audit.write_many(
        [
            audit.Entry(
                action,
                case_id=case.id,
                user_id=case.user_id,
                subject=f"bulk {change.pk}",
                before={"state": case.state, "assignee": case.assignee},
                after=after,
                note=change.note,
            )
            for case in held
        ],
        by=by,
    )


WAYS = {Action.VERDICT: _verdict, Action.CLOSE: _close, Action.ASSIGN: _assign, Action.RELEASE: _release}
