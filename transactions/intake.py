"""The way of a transaction: store it, score it, record what was found, all in one database transaction.

Every door ends here. One row is scored at once; many are marked as pending together with their rows, and
`backlog.score_pending` takes them from there. A fault in scoring never costs a transaction: the row stays, its
user is marked, and the answer says why there is no score yet.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import orjson
import structlog
from django.conf import settings
from django.db import connection, transaction

from anomalies import budget, pending
from anomalies.findings import Finding, Scored, Unscored
from anomalies.record import record
from transactions import history, scorer, store
from transactions.rows import Row
from transactions.store import Outcome

log = structlog.get_logger(__name__)

FAILED = Unscored("failed", "Scoring did not succeed. The transaction is stored and will be scored in the background.")
LATER = Unscored("pending", "The transaction is stored and will be scored in the background.")


class Taken(NamedTuple):
    """What became of one row; `fields` differ from the stored transaction where the outcome is a conflict."""

    row: Row
    outcome: Outcome
    fields: tuple[str, ...]
    scored: Scored | Unscored | None


def take(rows: Sequence[Row], *, score: bool = True) -> list[Taken]:
    """Store `rows`, and score them: one row now, several later. One answer a row, in their order.

    Opens its own atomic block, or joins the caller's.
    """
    if score and len(rows) == 1:
        return [_take_one(rows[0])]
    with transaction.atomic():
        taken = [
            Taken(row, written.outcome, written.fields, LATER if written.outcome is Outcome.CREATED else None)
            for row, written in zip(rows, store.write(rows), strict=True)
        ]
        _mark(one.row for one in taken if one.outcome is Outcome.CREATED)
    return taken


def _take_one(row: Row) -> Taken:
    with transaction.atomic():
        _wait_for_others_of(row.user_id)
        (written,) = store.write([row])
        if written.outcome is Outcome.CONFLICT:
            return Taken(row, written.outcome, written.fields, None)
        scored = _scored(row, is_new=written.outcome is Outcome.CREATED)
    return Taken(row, written.outcome, written.fields, scored)


def _wait_for_others_of(user_id: UUID) -> None:
    """Two payments of one user at once: the second must see the first in its history."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int.from_bytes(user_id.bytes[-8:], "big", signed=True)])


def _scored(row: Row, *, is_new: bool) -> Scored | Unscored:
    """The answer's score; a new row's finding is recorded, and what it changes for later rows is marked."""
    try:
        # A savepoint, so that an error of the database in here leaves the stored row alone.
        with transaction.atomic():
            scored = scorer.explain(user_id=row.user_id, txn_date=row.txn_date, id=row.id)
            if is_new:
                _record(row, scored)
    except Exception:
        log.exception("scoring_failed", transaction_id=str(row.id))
        pending.mark({row.user_id: row.txn_date})
        return FAILED
    if is_new and history.has_later(row.user_id, row.txn_date, row.id):
        pending.mark({row.user_id: row.txn_date})
    return scored


def _record(row: Row, scored: Scored | Unscored) -> None:
    if isinstance(scored, Unscored) or scored.score < settings.ANOMALY_FLOOR:
        return
    merchant = orjson.loads(row.meta_data).get("merchant_id")
    snapshot = (row.id, row.user_id, row.amount, row.currency, row.txn_date, row.status)
    finding = Finding(*snapshot, merchant_id=None if merchant is None else str(merchant), scored=scored)
    record([finding], threshold=budget.threshold(row.txn_date))


def _mark(rows: Iterable[Row]) -> None:
    since: dict[UUID, datetime] = {}
    for row in rows:
        since[row.user_id] = min(row.txn_date, since.get(row.user_id, row.txn_date))
    pending.mark(since)
