"""Verdicts: what somebody said about a transaction. They are added, never changed; the latest one counts."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import OuterRef, Subquery, Value
from django.db.models.functions import NullIf
from django.utils import timezone

from anomalies import audit, outbox
from anomalies.models import Anomaly, Case, Verdict

NOTE_CHARACTERS = 2_000
SOURCE_CHARACTERS = 32


class VerdictError(ValueError):
    """The verdict cannot be taken as it is; the text is a sentence for people."""


@transaction.atomic
def give(
    *,
    transaction_id: UUID,
    user_id: UUID,
    value: str,
    author: User | None = None,
    source: str = "analyst",
    note: str = "",
    known_at: datetime | None = None,
    case_id: UUID | None = None,
) -> Verdict:
    """Add a verdict on a transaction, flagged or not. It counts from `known_at` on, by default from now.

    `source` says where it comes from when no person gave it: "chargeback", say. `case_id` is the case on whose page
    it was given. Raises VerdictError.
    """
    _check(value=value, note=note, source=source, known_at=known_at)
    moment = {} if known_at is None else {"known_at": known_at}
    verdict = Verdict.objects.create(
        transaction_id=transaction_id,
        user_id=user_id,
        value=value,
        author=author,
        source=source,
        note=note.strip(),
        **moment,
    )
    # The database's clock says when it became known.
    verdict.refresh_from_db(fields=["known_at", "created_at"])
    outbox.emit_many([_event(verdict)])
    audit.write_many([_told(verdict, case_id)], by=author)
    return verdict


def give_all(transaction_ids: Sequence[UUID], *, case: Case, value: str, author: User, note: str = "") -> list[Verdict]:
    """The same verdict on each of these transactions of the case's user, known from now on. Raises VerdictError.

    Inside the caller's transaction; a handful of statements however many they are.
    """
    return give_many([(case.pk, case.user_id, pk) for pk in transaction_ids], value=value, author=author, note=note)


def give_many(judged: Sequence[tuple[UUID, UUID, UUID]], *, value: str, author: User, note: str = "") -> list[Verdict]:
    """As `give_all`, on transactions of many cases; judged: case, user and transaction of each."""
    _check(value=value, note=note)
    given = Verdict.objects.bulk_create(
        Verdict(transaction_id=pk, user_id=user_id, value=value, author=author, note=note.strip())
        for _case_id, user_id, pk in judged
    )
    told = [_told(verdict, case_id) for verdict, (case_id, _user_id, _pk) in zip(given, judged, strict=True)]
    outbox.emit_many([_event(verdict) for verdict in given])
    audit.write_many(told, by=author)
    return given


def _check(*, value: str, note: str, source: str = "analyst", known_at: datetime | None = None) -> None:
    if value not in Verdict.Value.values:
        raise VerdictError(f"“{value}” is no verdict: choose one of {', '.join(Verdict.Value.values)}.")
    if len(note) > NOTE_CHARACTERS or "\0" in note:
        raise VerdictError(f"A note has at most {NOTE_CHARACTERS:,} characters, none of them NUL.")
    if not 0 < len(source) <= SOURCE_CHARACTERS or not source.isprintable():
        raise VerdictError(f"A source has 1 to {SOURCE_CHARACTERS} printable characters.")
    if known_at is not None and known_at > timezone.now():
        raise VerdictError("A verdict cannot have become known in the future.")


def _event(verdict: Verdict) -> outbox.Event:
    return outbox.verdict_created(
        verdict.pk,
        verdict.transaction_id,
        verdict.user_id,
        value=verdict.value,
        source=verdict.source,
        known_at=verdict.known_at,
    )


def _told(verdict: Verdict, case_id: UUID | None) -> audit.Entry:
    return audit.Entry(
        "verdict.given",
        case_id=case_id,
        user_id=verdict.user_id,
        subject=str(verdict.transaction_id),
        after={"value": verdict.value, "source": verdict.source, "known_at": verdict.known_at},
        note=verdict.note,
    )


def unjudged(case: Case) -> list[UUID]:
    """The transactions of the case's anomalies that have no verdict that stands, oldest first."""
    alone = Anomaly.objects.alias(verdict=standing()).exclude(verdict__isnull=False)
    found = alone.filter(user_id=case.user_id, case=case).order_by("txn_date", "transaction_id")
    return list(found.values_list("transaction_id", flat=True))


def standing() -> NullIf:
    """An expression over anomalies: the value of the latest verdict, NULL if there is none or it was withdrawn."""
    said = Verdict.objects.filter(transaction_id=OuterRef("transaction_id")).order_by("-known_at", "-id")
    return NullIf(Subquery(said.values("value")[:1]), Value(Verdict.WITHDRAWN))


def withdraw(case: Case, *, by: User, known_at: datetime) -> list[UUID]:
    """Take back the verdicts that `by` gave on the case at that instant; says on which transactions.

    What was said stays, and a later row says that it does not stand: verdicts are only added. Inside the caller's
    transaction.
    """
    given = Verdict.objects.filter(user_id=case.user_id, author=by, known_at=known_at)
    taken = Verdict.objects.bulk_create(
        Verdict(transaction_id=pk, user_id=case.user_id, value=Verdict.WITHDRAWN, author=by)
        for pk in given.values_list("transaction_id", flat=True)
    )
    outbox.emit_many([_event(verdict) for verdict in taken])
    return [verdict.transaction_id for verdict in taken]
