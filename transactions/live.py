"""The way of one transaction whose score somebody waits for: two round trips to the database, of which one commits.

The first waits for the user's turn, stores the row and fetches its past; what scoring needs of it is kept apart from
what stores it, so that no fault in scoring costs a transaction: the row stays, its user is marked, and the answer says
why there is no score yet.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson
import structlog
from django.conf import settings
from django.db import connection, transaction
from prometheus_client import Counter
from psycopg.errors import QueryCanceled
from psycopg.pq.abc import PGresult

from anomalies import budget, pending, round_trip
from anomalies.findings import Finding, Scored, Unscored
from anomalies.fresh import record_fresh
from anomalies.guard import Guard, Unsure
from anomalies.renewed import Renewed
from anomalies.round_trip import command
from transactions import counting, history, scorer, store
from transactions.rows import Row
from transactions.store import Outcome
from transactions.taken import FAILED, TIMED_OUT, Taken

log = structlog.get_logger(__name__)

# A payment does not wait longer for a statement of scoring, say for a lock that a migration holds.
LONGEST_STATEMENT_MS = 2_000
FAILURES = Counter("live_scoring_failures", "Transactions stored without a score because scoring failed.", ["code"])
SAVEPOINT = command("SAVEPOINT scoring")


def take(row: Row, guard: Guard | None = None) -> Taken:
    """Store the row, score it, record what was found. In a database transaction of its own, or in the caller's.

    Under a guard it raises Unsure if the row is not new, or the guard says no.
    """
    with transaction.atomic():
        began = time.perf_counter()
        limit = command(f"SET LOCAL statement_timeout = {LONGEST_STATEMENT_MS}")
        asked = history.asked(row.user_id, row.txn_date, row.id)
        new, results = store.write_in_turn(row, guard, (SAVEPOINT, limit, history.ONE), asked)
        if new is None:
            if guard is not None:
                raise Unsure
            _execute("ROLLBACK TO SAVEPOINT scoring")
            return _known(row)
        past, begun = results[-1], True
        if new.is_late and not round_trip.has_failed(past):
            # A late row changes the scores of those after it. To say so is no part of the scoring.
            _end_apart()
            pending.mark({row.user_id: row.txn_date})
            begun = False
        scored = _scored(row, lambda: _score_of_new(row, past, asked, began), begun=begun)
    return Taken(row, Outcome.CREATED, (), scored, new.stored)


def _known(row: Row) -> Taken:
    """What becomes of a row whose id was there. Its score is computed again, and recorded nowhere."""
    (written,) = store.write([row])
    if written.outcome is Outcome.CONFLICT:
        return Taken(row, written.outcome, written.fields, None)
    if written.outcome is Outcome.CREATED:  # The one that was there has just gone.
        pending.mark({row.user_id: row.txn_date})
    return Taken(row, written.outcome, written.fields, _scored(row, lambda: _score_of_known(row), begun=False))


def _score_of_known(row: Row) -> Scored | Unscored:
    with counting.SCORING.time():
        return scorer.explain(user_id=row.user_id, txn_date=row.txn_date, id=row.id)


def _score_of_new(row: Row, past: PGresult, asked: dict[str, Any], began: float) -> Scored | Unscored:
    scored = scorer.of_one(row.txn_date, *history.of_one(past, asked))
    counting.SCORING.observe(time.perf_counter() - began)
    _record(row, scored)
    return scored


def _scored(row: Row, score: Callable[[], Scored | Unscored], *, begun: bool) -> Scored | Unscored:
    """The answer's score. `begun`: the database keeps apart already what follows."""
    try:
        with _apart(begun=begun):
            return score()
    except Exception as error:
        unscored = TIMED_OUT if isinstance(error.__cause__, QueryCanceled) else FAILED
        FAILURES.labels(unscored.code).inc()
        log.exception("scoring_failed", transaction_id=str(row.id), code=unscored.code)
        pending.mark({row.user_id: row.txn_date})
        return unscored


@contextmanager
def _apart(*, begun: bool) -> Iterator[None]:
    """What fails in the block is undone alone, and no statement in it takes longer than LONGEST_STATEMENT_MS.

    At most one round trip, where a savepoint of Django's and the limit would take four: the commit ends both, and is
    itself under no limit.
    """
    if not begun:
        _execute(f"SAVEPOINT scoring; SET LOCAL statement_timeout = {LONGEST_STATEMENT_MS}")
    try:
        yield
    except Exception:
        _execute("ROLLBACK TO SAVEPOINT scoring")
        raise
    # Where the transaction does not end with this, its other statements have as much time as the session gives.
    if connection.savepoint_ids:
        _end_apart()


def _end_apart() -> None:
    _execute("RELEASE SAVEPOINT scoring; SET LOCAL statement_timeout = DEFAULT")


def _execute(statements: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statements)


def _record(row: Row, scored: Scored | Unscored) -> None:
    if isinstance(scored, Unscored) or scored.score < settings.ANOMALY_FLOOR:
        return
    merchant = orjson.loads(row.meta_data).get("merchant_id")
    snapshot = (row.id, row.user_id, row.amount, row.currency, row.txn_date, row.status)
    finding = Finding(*snapshot, merchant_id=None if merchant is None else str(merchant), scored=scored)
    record_fresh(finding, threshold=_threshold(row.txn_date))


def _threshold(at: datetime) -> float:
    """The alert threshold at that time, some seconds old (`anomalies.renewed`) and for the hour as a whole."""
    if not settings.LIVE_CACHE_S:
        return budget.threshold(at)
    return _threshold_of(at.replace(minute=0, second=0, microsecond=0))()


@lru_cache(maxsize=64)
def _threshold_of(hour: datetime) -> Renewed[float]:
    return Renewed(lambda: budget.threshold(hour + timedelta(hours=1)))
