"""The way of a transaction: store it, score it, record what was found, all in one database transaction.

Every door ends here. One row is scored at once; many are marked as pending together with their rows, and
`backlog.score_pending` takes them from there. A fault in scoring never costs a transaction: the row stays, its
user is marked, and the answer says why there is no score yet.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import structlog
from django.conf import settings
from django.db import connection, transaction
from prometheus_client import Counter
from psycopg.errors import QueryCanceled

from anomalies import budget, pending
from anomalies.findings import Finding, Scored, Unscored
from anomalies.guard import Guard, Unsure
from anomalies.record import record
from transactions import counting, scorer, store
from transactions.rows import Row
from transactions.store import Outcome

log = structlog.get_logger(__name__)

FAILED = Unscored("failed", "Scoring did not succeed. The transaction is stored and will be scored in the background.")
TIMED_OUT = Unscored(
    "timed_out", "Scoring took too long. The transaction is stored and will be scored in the background."
)
LATER = Unscored("pending", "The transaction is stored and will be scored in the background.")

# A payment does not wait longer for a statement of scoring, say for a lock that a migration holds.
LONGEST_STATEMENT_MS = 2_000
BEGIN_APART = f"SAVEPOINT scoring; SET LOCAL statement_timeout = {LONGEST_STATEMENT_MS}"
END_APART = "RELEASE SAVEPOINT scoring; SET LOCAL statement_timeout = DEFAULT"
FAILURES = Counter("live_scoring_failures", "Transactions stored without a score because scoring failed.", ["code"])


class Taken(NamedTuple):
    """What became of one row; `fields` differ from the stored transaction where the outcome is a conflict."""

    row: Row
    outcome: Outcome
    fields: tuple[str, ...]
    scored: Scored | Unscored | None
    # What the database made of meta_data, merchant_id and received_at, where it has told.
    stored: tuple[Any, ...] | None = None


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
    if not settings.LIVE_SCORING:
        return take_unscored(row)
    with transaction.atomic():
        # A new row is nearly always scored next: what keeps the scoring apart goes along.
        written, is_late = store.write_in_turn(row, then=BEGIN_APART, unless_new=END_APART)
        if written.outcome is Outcome.CONFLICT:
            return Taken(row, written.outcome, written.fields, None)
        is_new = written.outcome is Outcome.CREATED
        if is_late:
            # A late row changes the scores of those after it. To say so is no part of the scoring.
            _execute(END_APART)
            pending.mark({row.user_id: row.txn_date})
        scored = _scored(row, is_new=is_new, begun=is_new and not is_late)
    return Taken(row, written.outcome, written.fields, scored)


def take_unscored(row: Row, guard: Guard | None = None) -> Taken:
    """The row stored; its score waits. Nobody scores it now, so it need not wait for the user's other rows.

    Raises Unsure if it is not new, or the guard says no.
    """
    # One statement needs no transaction; within another's, its failure is undone alone.
    with transaction.atomic() if connection.in_atomic_block else nullcontext():
        stored = store.write_and_mark(row, guard)
    if stored is not None:
        return Taken(row, Outcome.CREATED, (), LATER, stored)
    if guard is not None:
        raise Unsure
    with transaction.atomic():
        (written,) = store.write([row])
        if written.outcome is Outcome.CREATED:  # The one that was there has just gone.
            pending.mark({row.user_id: row.txn_date})
    return Taken(row, written.outcome, written.fields, None if written.outcome is Outcome.CONFLICT else LATER)


def _scored(row: Row, *, is_new: bool, begun: bool) -> Scored | Unscored:
    """The answer's score; a new row's finding is recorded. `begun`: the database keeps apart already what follows."""
    try:
        with _apart(begun=begun):
            with counting.SCORING.time():
                scored = scorer.explain(user_id=row.user_id, txn_date=row.txn_date, id=row.id)
            if is_new:
                _record(row, scored)
    except Exception as error:
        unscored = TIMED_OUT if isinstance(error.__cause__, QueryCanceled) else FAILED
        FAILURES.labels(unscored.code).inc()
        log.exception("scoring_failed", transaction_id=str(row.id), code=unscored.code)
        pending.mark({row.user_id: row.txn_date})
        return unscored
    return scored


@contextmanager
def _apart(*, begun: bool) -> Iterator[None]:
    """What fails in the block is undone alone, and no statement in it takes longer than LONGEST_STATEMENT_MS.

    At most one round trip, where a savepoint of Django's and the limit would take four: the commit ends both, and is
    itself under no limit.
    """
    if not begun:
        _execute(BEGIN_APART)
    try:
        yield
    except Exception:
        _execute("ROLLBACK TO SAVEPOINT scoring")
        raise
    # Where the transaction does not end with this, its other statements have as much time as the session gives.
    if connection.savepoint_ids:
        _execute(END_APART)


def _execute(statements: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statements)


def _record(row: Row, scored: Scored | Unscored) -> None:
    if isinstance(scored, Unscored) or scored.score < settings.ANOMALY_FLOOR:
        return
    merchant = orjson.loads(row.meta_data).get("merchant_id")
    snapshot = (row.id, row.user_id, row.amount, row.currency, row.txn_date, row.status)
    finding = Finding(*snapshot, merchant_id=None if merchant is None else str(merchant), scored=scored)
    record([finding], threshold=_threshold(row.txn_date))


def _threshold(at: datetime) -> float:
    """The alert threshold at that time, at most settings.LIVE_CACHE_S seconds old and for the hour as a whole."""
    if not settings.LIVE_CACHE_S:
        return budget.threshold(at)
    return _threshold_of(at.replace(minute=0, second=0, microsecond=0), int(time.monotonic() / settings.LIVE_CACHE_S))


@lru_cache(maxsize=64)
def _threshold_of(hour: datetime, _read_at: int) -> float:
    return budget.threshold(hour + timedelta(hours=1))


def _mark(rows: Iterable[Row]) -> None:
    since: dict[UUID, datetime] = {}
    for row in rows:
        since[row.user_id] = min(row.txn_date, since.get(row.user_id, row.txn_date))
    pending.mark(since)
