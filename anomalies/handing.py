"""Cases from hand to hand: the next one, the lease, skipping, giving to another, reopening, and taking back.

As in `cases`, whoever changes a case locks its row first, and tells the audit log last.
"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Greatest, Now

from anomalies import audit, cases, outbox, verdicts
from anomalies.cases import CaseError, told
from anomalies.models import Case, CaseSkip

NEXT = (Path(__file__).parent / "sql" / "cases_next.sql").read_text()
# How long a skipped case is handed to others only.
SKIPPED = timedelta(hours=4)
# How long a case waits for whom it was given to: they may not be at their desk.
GIVEN = timedelta(hours=24)
# How long a verdict can be taken back. The page shows UNDO, and its answer may take the rest.
UNDO = timedelta(seconds=10)
UNDO_TAKEN = timedelta(seconds=12)
REVIEW = "anomalies.review_case"


@transaction.atomic
def next_case(by: User) -> UUID | None:
    """Claim the most urgent case that nobody works on and `by` has not skipped; None if there is none.

    One statement finds, locks and claims it: of any number of analysts who ask at once, exactly one gets it.
    """
    parameters: dict[str, Any] = {"analyst": by.pk, "lease": cases.LEASE}
    with connection.cursor() as cursor:
        cursor.execute(NEXT, parameters)
        found = cursor.fetchone()
    if found is None:
        return None
    case_id, user_id, held_by = found
    audit.write(
        "case.claimed",
        by=by,
        case_id=case_id,
        user_id=user_id,
        before={"state": Case.State.CLAIMED if held_by else Case.State.OPEN, "assignee": held_by},
        after={"state": Case.State.CLAIMED, "assignee": by.username},
    )
    claimed: UUID = case_id
    return claimed


@transaction.atomic
def renew(case_id: UUID, *, by: User) -> datetime:
    """Keep the case that `by` holds for another while, and say until when; nothing for the audit log.

    A lease that has run out is renewed as long as nobody else took the case; one that reaches further stays as it is.
    Raises CaseError if the case is lost.
    """
    held = Case.objects.select_for_update(of=("self",)).filter(pk=case_id, state=Case.State.CLAIMED, assignee=by)
    until = held.annotate(longer=Greatest("lease_until", Now() + cases.LEASE)).values_list("longer", flat=True).first()
    if until is None:
        raise lost(case_id)
    held.update(lease_until=until)
    renewed: datetime = until
    return renewed


def lost(case_id: UUID) -> CaseError:
    """Why a case is not its former analyst's any more. Raises Case.DoesNotExist."""
    case = Case.objects.select_related("assignee", "closed_by").get(pk=case_id)
    if case.state == Case.State.OPEN:
        return CaseError("You do not hold this case: it is back in the queue.")
    return cases.conflict(case)


@transaction.atomic
def skip(case_id: UUID, *, by: User) -> None:
    """Put the case back, and hand it to others only for a while. Raises CaseError if it is closed or another's."""
    case = cases.locked(case_id, by)
    Case.objects.filter(pk=case_id).update(state=Case.State.OPEN, assignee=None, lease_until=None)
    CaseSkip.objects.bulk_create(
        [CaseSkip(case_id=case_id, analyst=by, until=Now() + SKIPPED)],
        update_conflicts=True,
        unique_fields=["analyst", "case"],
        update_fields=["until"],
    )
    told("case.skipped", case, by, after={"state": Case.State.OPEN, "assignee": None})


@transaction.atomic
def assign(case_id: UUID, *, to: User, by: User) -> None:
    """Give the case to an analyst, whoever holds it. Raises CaseError if it is closed, or `to` may not review."""
    case = _any_locked(case_id)
    if case.state == Case.State.CLOSED:
        raise CaseError("This case is closed: reopen it first.")
    if not (to.is_active and to.has_perm(REVIEW)):
        raise CaseError(f"{to} may not review cases.")
    Case.objects.filter(pk=case_id).update(state=Case.State.CLAIMED, assignee=to, lease_until=Now() + GIVEN)
    told("case.assigned", case, by, after={"state": Case.State.CLAIMED, "assignee": to.username})


@transaction.atomic
def reopen(case_id: UUID, *, by: User) -> None:
    """Put a closed case back into the queue; its verdicts stay. Raises CaseError.

    A user has at most one case that is not closed: then there is nothing to reopen, new anomalies are in that one.
    """
    case = _any_locked(case_id)
    if case.state != Case.State.CLOSED:
        raise CaseError("This case is not closed.")
    _open_again(case, state=Case.State.OPEN, assignee=None, lease_until=None)
    told("case.reopened", case, by, after={"state": Case.State.OPEN, "assignee": None})


@transaction.atomic
def undo(case_id: UUID, *, by: User) -> int:
    """Take back what `by` has just closed: the verdicts are withdrawn, and the case is `by`'s again.

    Says how many verdicts. Raises CaseError if somebody else closed it, or too long ago.
    """
    case = _any_locked(case_id)
    fresh = Case.objects.filter(pk=case_id, state=Case.State.CLOSED, closed_by=by, closed_at__gt=Now() - UNDO_TAKEN)
    if case.closed_at is None or not fresh.exists():
        raise CaseError(f"Only a verdict of your own of the last {UNDO.seconds} seconds can be taken back.")
    _open_again(case, state=Case.State.CLAIMED, assignee=by, lease_until=Now() + cases.LEASE)
    withdrawn = verdicts.withdraw(case, by=by, known_at=case.closed_at)
    told(
        "verdict.undone",
        case,
        by,
        after={"state": Case.State.CLAIMED, "assignee": by.username, "withdrawn verdicts": len(withdrawn)},
    )
    return len(withdrawn)


def undoable(case_id: UUID, *, by: Any) -> Case | None:
    """The case, if `by` closed it so lately that it can be undone."""
    lately = Case.objects.filter(pk=case_id, closed_by=by.pk, closed_at__gt=Now() - UNDO)
    return lately.filter(state=Case.State.CLOSED).first()


def _any_locked(case_id: UUID) -> Case:
    """The case, locked, whoever holds it. Raises Case.DoesNotExist."""
    return Case.objects.select_for_update(of=("self",)).select_related("assignee").get(pk=case_id)


def _open_again(case: Case, **held: Any) -> None:
    try:
        with transaction.atomic():
            Case.objects.filter(pk=case.pk).update(outcome="", closed_at=None, closed_by=None, **held)
    except IntegrityError as error:
        # The only rule that it can break: one_case_of_a_user_is_not_closed.
        raise CaseError("A newer case of this user is not closed: go on with that one.") from error
    outbox.emit_many([outbox.case_opened(case.pk, case.user_id, case.priority, reopened=True)])
