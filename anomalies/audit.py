"""The audit log: who did what, when, from where, and what it was before and after. Entries are only ever added.

Each entry holds a SHA-256 over all that it says and over the hash of the entry before it. Who changes, removes or
swaps entries breaks the chain at that place, and who cuts off its end does not come to the head that was noted.

An entry is written in the database transaction of what it tells about: either both are there, or neither. Chaining
needs an order, so writers take turns from `write` to the end of their transaction. Hence the rule for callers: lock
your rows first, write to the log last; who waits for a row while holding the turn makes everybody else wait too.
"""

import hashlib
import json
from collections.abc import Iterable
from contextvars import ContextVar
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import connection, transaction

from anomalies.models import AuditEntry

# Any number that no other advisory lock here uses.
TURN = 7_201_604_951
HEAD = (Path(__file__).parent / "sql" / "audit_head.sql").read_text().format(turn=TURN)
# A thousand to a statement.
BATCH = 1_000
SUBJECT_CHARACTERS = 300
NOTE_CHARACTERS = 2_000
# Of the history of one case.
SHOWN = 100
# Whose request is being answered: set by `anomaly_server.audit_log`.
ADDRESS: ContextVar[str] = ContextVar("audit_address", default="")

Actor = AbstractBaseUser | AnonymousUser | None
State = dict[str, Any] | None


class Entry(NamedTuple):
    """What was done. `case_id` and `user_id` (whose payments) where known; `before` and `after` what changed."""

    action: str
    case_id: UUID | None = None
    user_id: UUID | None = None
    subject: str = ""
    before: State = None
    after: State = None
    note: str = ""


class Head(NamedTuple):
    """The last entry: its number and hash, and now by the database's clock."""

    position: int
    hash: str
    now: datetime


def write(
    action: str,
    *,
    by: Actor,
    case_id: UUID | None = None,
    user_id: UUID | None = None,
    subject: str = "",
    before: State = None,
    after: State = None,
    note: str = "",
) -> None:
    """Add one entry, in the caller's transaction and last in it. Two statements. `by` is None for the server."""
    write_many([Entry(action, case_id, user_id, subject, before, after, note)], by=by)


def write_many(entries: Iterable[Entry], *, by: Actor) -> None:
    """Add entries in their order, a thousand to a statement; as `write`."""
    told = list(entries)
    if not told:
        return
    with transaction.atomic(savepoint=False):
        head = _head()
        AuditEntry.objects.bulk_create(_chained(told, by, head), batch_size=BATCH)


def of_case(case_id: UUID) -> list[AuditEntry]:
    """What was done to a case, the latest first, and not more than a page shows. One query."""
    return list(AuditEntry.objects.filter(case_id=case_id)[:SHOWN])


def digest(entry: AuditEntry) -> str:
    """The hash that the entry must have: of its whole content and of the hash before it, as hexadecimal."""
    content = [
        entry.position,
        entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        entry.actor_id,
        entry.actor,
        entry.action,
        entry.case_id and str(entry.case_id),
        entry.user_id and str(entry.user_id),
        entry.subject,
        entry.before,
        entry.after,
        entry.note,
        entry.address,
        entry.previous_hash,
    ]
    # ASCII, sorted, no blanks: one text for one content, whatever order jsonb keeps its keys in.
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _head() -> Head:
    """Wait for the turn, and find what the next entry follows on."""
    with connection.cursor() as cursor:
        cursor.execute(HEAD)
        cursor.nextset()
        return Head(*cursor.fetchone())


def _chained(entries: list[Entry], by: Actor, head: Head) -> list[AuditEntry]:
    # Deleting an account takes nothing from here, hence the name beside the number.
    actor = {"actor_id": by.pk, "actor": _text(by.get_username())} if by is not None and by.pk else {"actor": ""}
    previous, made = head.hash, []
    for position, entry in enumerate(entries, start=head.position + 1):
        row = AuditEntry(
            position=position,
            at=head.now,
            action=entry.action,
            case_id=entry.case_id,
            user_id=entry.user_id,
            subject=_text(entry.subject)[:SUBJECT_CHARACTERS],
            before=_plain(entry.before),
            after=_plain(entry.after),
            note=_text(entry.note)[:NOTE_CHARACTERS],
            address=ADDRESS.get(),
            previous_hash=previous,
            **actor,
        )
        row.hash = previous = digest(row)
        made.append(row)
    return made


def _plain(value: Any) -> Any:
    """The value as jsonb gives it back: the hash is computed before it is stored and again after it is read."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, dict):
        return {_text(str(name)): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float | Decimal | UUID):
        # jsonb rewrites numbers: 1e3 comes back as 1000.
        return str(value)
    return _text(str(value))


def _text(text: str) -> str:
    """What PostgreSQL can keep of it: whoever fails to log in may send anything as a name."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
