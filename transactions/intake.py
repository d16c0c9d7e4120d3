"""The way of a transaction: store it, score it, record what was found, all in one database transaction.

Every door ends here. One row is scored at once; many are marked as pending together with their rows, and
`backlog.score_pending` takes them from there. A fault in scoring never costs a transaction: the row stays, its
user is marked, and the answer says why there is no score yet.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction

from anomalies import pending
from anomalies.guard import Guard
from transactions import live, store
from transactions.lines import Lines, Since, marks
from transactions.rows import Row
from transactions.store import Outcome, Written
from transactions.taken import LATER, Taken
from transactions.unscored import store_unscored


def take(rows: Sequence[Row], *, score: bool = True) -> list[Taken]:
    """Store `rows`, and score them: one row now, several later. One answer a row, in their order.

    Opens its own atomic block, or joins the caller's.
    """
    if score and len(rows) == 1:
        return [take_one(rows[0])]
    with transaction.atomic():
        taken = [
            Taken(row, written.outcome, written.fields, LATER if written.outcome is Outcome.CREATED else None)
            for row, written in zip(rows, store.write(rows), strict=True)
        ]
        _mark(one.row for one in taken if one.outcome is Outcome.CREATED)
    return taken


def take_lines(lines: Lines) -> list[Written]:
    """As `take` without scores. Raises RefusedByDatabase, and then nothing was done."""
    since: Since = {}
    with transaction.atomic():
        written = store.write_lines(lines)
        lines.tell(since, (place for place, one in enumerate(written) if one.outcome is Outcome.CREATED))
        pending.put(marks(since))
    return written


def take_one(row: Row, guard: Guard | None = None) -> Taken:
    """As `take` one row. Under a guard it raises Unsure if the row is not new, or the guard says no."""
    return live.take(row, guard) if settings.LIVE_SCORING else store_unscored(row, guard)


def _mark(rows: Iterable[Row]) -> None:
    since: dict[UUID, datetime] = {}
    for row in rows:
        since[row.user_id] = min(row.txn_date, since.get(row.user_id, row.txn_date))
    pending.mark(since)
