"""Cases: opened by alerts, filled with the user's anomalies, worked by one analyst, closed once.

Whoever changes a case locks its row first, and whoever locks several goes in the order of the users.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from anomalies import audit, outbox, verdicts
from anomalies.models import Case, Verdict

SQL = Path(__file__).parent / "sql"
DUE = (SQL / "cases_due.sql").read_text()
# Of some cases with their users, which come as lists; what is about one case puts it there instead.
OPEN_SQL, LOCK_SQL, GATHER_SQL, TALLY_SQL = (
    (SQL / f"cases_{name}.sql").read_text() for name in ("open", "lock", "gather", "tally")
)
LISTED = "unnest(%(ids)s::uuid[], %(users)s::uuid[])"
OPEN = OPEN_SQL.replace("{offered}", LISTED)
LOCK = LOCK_SQL.replace("{user}", "ANY(%(users)s::uuid[])")
GATHER = GATHER_SQL.replace("{held}", "unnest(%(ids)s::uuid[], %(users)s::uuid[], %(since)s::timestamptz[])")
TALLY = TALLY_SQL.replace("{held}", LISTED)

# How long before the transaction that opened it a case reaches back.
REACH = timedelta(days=14)
# How long a claimed case is kept for its analyst, who renews it by claiming again.
LEASE = timedelta(minutes=30)
# A case may be closed between seeing that it exists and joining it; then the next try opens a new one.
TRIES = 3


class CaseError(Exception):
    """The case is not in the state that the wish supposes; the text is a sentence for people."""


def collect(
    users: Collection[UUID], *, alerted: Collection[UUID], threshold: float, since: datetime | None
) -> tuple[UUID, ...]:
    """Open cases for the alerted users, put stray anomalies of all `users` into their case, count again.

    Inside the caller's transaction; a handful of statements however many users. Returns the opened cases.
    """
    if not users:
        return ()
    opened = _open(alerted, threshold, since) if since else []
    held = _lock(users)
    for _ in range(TRIES - 1):
        missing = set(alerted) - {user for _, user, _ in held}
        if not missing or since is None:
            break
        opened += _open(missing, threshold, since)
        held = _lock(users)
    if held:
        _fill(held)
    return tuple(opened)


def open_due(*, threshold: float, since: datetime) -> int:
    """Open a case for every user with an anomaly at the threshold since then that none holds or has judged.

    Says how many. For the end of a run that recorded with `threshold=math.inf`, because the alert budget is only known
    once all has been scored. Harmless to repeat. Inside the caller's transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute(DUE, {"threshold": threshold, "since": since})
        users = {user for (user,) in cursor.fetchall()}
    return len(collect(users, alerted=users, threshold=threshold, since=since))


@transaction.atomic
def claim(case_id: UUID, *, by: User) -> None:
    """Make the case `by`'s for a while; again renews it. Raises CaseError if it is closed or another's."""
    case = locked(case_id, by)
    Case.objects.filter(pk=case_id).update(state=Case.State.CLAIMED, assignee=by, lease_until=Now() + LEASE)
    is_renewed = case.state == Case.State.CLAIMED and case.assignee_id == by.pk
    if not is_renewed:
        told("case.claimed", case, by, after={"state": Case.State.CLAIMED, "assignee": by.username})


@transaction.atomic
def release(case_id: UUID, *, by: User) -> None:
    """Give the case back to the queue. Raises CaseError if it is not `by`'s."""
    held = Case.objects.select_for_update(of=("self",)).filter(pk=case_id, state=Case.State.CLAIMED, assignee=by)
    case = held.select_related("assignee").first()
    if case is None:
        raise CaseError("You do not hold this case, so there is nothing to release.")
    Case.objects.filter(pk=case_id).update(state=Case.State.OPEN, assignee=None, lease_until=None)
    told("case.released", case, by, after={"state": Case.State.OPEN, "assignee": None})


@transaction.atomic
def close(case_id: UUID, *, outcome: str, by: User) -> None:
    """Close the case; no verdict is given. Raises CaseError if it is closed or another's."""
    _close(locked(case_id, by), outcome, by)


@transaction.atomic
def judge(case_id: UUID, *, value: str, by: User, note: str = "") -> list[Verdict]:
    """One verdict for the whole case: given to its anomalies that have none yet, and the case is closed.

    Raises CaseError if it is closed, another's, or has nothing left to judge (a note would be lost: `close` it);
    verdicts.VerdictError for an unknown value or a long note.
    """
    case = locked(case_id, by)
    left = verdicts.unjudged(case)
    if not left:
        raise CaseError("Every transaction of this case has its verdict: close the case with an outcome.")
    given = verdicts.give_all(left, case=case, value=value, author=by, note=note)
    # One instant for both: by it `handing.undo` knows which verdicts closed the case.
    _close(case, value, by, at=given[0].known_at)
    return given


def told(action: str, case: Case, by: User, *, after: dict[str, Any], note: str = "") -> None:
    """Write into the audit log what was done to the case; `case` still is as it was before. Last in its transaction."""
    before = {"state": case.state, "assignee": case.assignee.username if case.assignee else None}
    audit.write(action, by=by, case_id=case.pk, user_id=case.user_id, before=before, after=after, note=note)


def _open(users: Collection[UUID], threshold: float, since: datetime) -> list[UUID]:
    """Open a case for each of the users who needs one and has none; the ids of those opened."""
    if not users:
        return []
    parameters: dict[str, Any] = {
        "ids": [uuid7() for _ in users],
        "users": sorted(users),
        "threshold": threshold,
        "since": since,
        "reach": REACH,
    }
    with connection.cursor() as cursor:
        cursor.execute(OPEN, parameters)
        opened = cursor.fetchall()
    outbox.emit_many([outbox.case_opened(*case) for case in opened])
    return [case_id for case_id, _user_id, _priority in opened]


def _lock(users: Collection[UUID]) -> list[tuple[UUID, UUID, datetime]]:
    """The users' cases that are not closed, locked until the transaction ends: (id, user, reaches back to)."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK, {"users": list(users)})
        return [(case_id, user_id, since) for case_id, user_id, since in cursor.fetchall()]


def _fill(held: list[tuple[UUID, UUID, datetime]]) -> None:
    """Gather stray anomalies into the locked cases, count them again, remove open cases left with none."""
    ids, users, since = (list(column) for column in zip(*held, strict=True))
    parameters: dict[str, Any] = {"ids": ids, "users": users, "since": since}
    with connection.cursor() as cursor:
        cursor.execute(GATHER, parameters)
        cursor.execute(TALLY, parameters)
    remove_empty(ids)


def remove_empty(ids: Collection[UUID]) -> None:
    """Remove those of the locked cases that wait for an analyst and hold nothing."""
    if not ids:
        return
    Case.objects.filter(pk__in=ids, state=Case.State.OPEN, anomaly_count=0).delete()


def locked(case_id: UUID, by: User) -> Case:
    """The case, locked, if `by` may change it now. Raises CaseError."""
    found = Case.objects.select_for_update(of=("self",)).select_related("assignee", "closed_by")
    case = found.get(pk=case_id)
    free = case.state == Case.State.OPEN or case.assignee_id == by.pk
    if case.state == Case.State.CLOSED or not (free or _lease_is_over(case_id)):
        raise conflict(case)
    return case


def _lease_is_over(case_id: UUID) -> bool:
    return Case.objects.filter(pk=case_id, lease_until__lt=Now()).exists()


def _close(case: Case, outcome: str, by: User, *, at: datetime | None = None) -> None:
    if outcome not in Case.Outcome.values:
        raise verdicts.VerdictError(f"“{outcome}” is no outcome: choose one of {', '.join(Case.Outcome.values)}.")
    Case.objects.filter(pk=case.pk).update(
        state=Case.State.CLOSED, outcome=outcome, closed_at=at or Now(), closed_by=by, lease_until=None
    )
    closed = outbox.case_closed(case.pk, case.user_id, case.priority, outcome=outcome, by=by.username)
    outbox.emit_many([closed])
    told("case.closed", case, by, after={"state": Case.State.CLOSED, "outcome": outcome})


def conflict(case: Case) -> CaseError:
    """Why somebody may not change the case."""
    if case.state == Case.State.CLOSED:
        return CaseError(f"This case was closed as {case.outcome} by {case.closed_by or 'somebody'}.")
    return CaseError(f"{case.assignee or 'Somebody'} is working on this case.")
