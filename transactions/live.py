"""The way of one transaction whose score somebody waits for: two round trips to the database, of which one commits.

The first waits for the user's turn, fetches the row's past and stores the row; what can be computed of the past is
computed meanwhile, and the reasons of an ordinary row while the disk writes. A row that departs from its user's past
takes one more. No fault in scoring costs a transaction: whatever fails, all is undone, the row is stored alone, its
user is marked, and the answer says why there is no score.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
import structlog
from django.conf import settings
from django.db import connection, transaction
from prometheus_client import Counter
from psycopg.errors import QueryCanceled
from psycopg.pq.abc import PGresult

import scoring
from anomalies import budget, pending, round_trip
from anomalies.findings import Finding, Scored, Unscored
from anomalies.fresh import record_fresh
from anomalies.guard import Guard, Unsure
from anomalies.renewed import Renewed, after_answer
from anomalies.round_trip import Heard
from anomalies.sentences import sentences
from transactions import counting, departures, lookback, packed_rows, scorer, store
from transactions.rows import BadRow, Row
from transactions.scorer import Judged
from transactions.store import Outcome
from transactions.taken import FAILED, TIMED_OUT, Taken
from transactions.unscored import store_unscored

log = structlog.get_logger(__name__)

FAILURES = Counter("live_scoring_failures", "Transactions stored without a score because scoring failed.", ["code"])


class _Begun(NamedTuple):
    """What is computed of a row's past while the row is being stored."""

    past: lookback.Lookback
    own: list[float]


def take(row: Row, guard: Guard | None = None) -> Taken:
    """Store the row, score it, record what was found. In a database transaction of its own, or in the caller's.

    Under a guard it raises Unsure if the row is not new, or the guard says no.
    """
    try:
        with transaction.atomic():
            taken = _taken(row, guard)
            if connection.savepoint_ids:
                # The transaction goes on: its other statements have as much time as the session gives.
                _execute("SET LOCAL statement_timeout = DEFAULT")
        if taken.scored is FAILED:
            pending.mark({row.user_id: row.txn_date})
        return taken
    except (BadRow, Unsure):
        raise
    except Exception as error:
        if connection.needs_rollback:  # The caller's transaction cannot go on.
            raise
        taken = store_unscored(row, guard)
        # A row whose id was there has no score that could have failed to be kept.
        if taken.scored is None:
            return taken
        return taken._replace(scored=_failed(row, error))


def _taken(row: Row, guard: Guard | None) -> Taken:
    began = time.perf_counter()
    limits = lookback.limits()
    heard = Heard(lookback.OF_GIVEN, _begun)
    new, seen = store.write_in_turn(row, guard, limits, heard, lookback.SEEN_BY_GIVEN)
    if new is None:
        if guard is not None:
            raise Unsure
        return _there(row)
    if new.is_late:
        # A late row changes the scores of those after it.
        pending.mark({row.user_id: row.txn_date})
    past, own = heard.answer() or _asked_again({**store.row_values(row), **limits})
    visits = lookback.read_seen(seen, past.columns)
    if visits.known[0] and scoring.departs_last(own):
        visits = departures.keep_one(row.id, visits)
    features = scoring.end_last(own, past.columns, visits)
    judged = scorer.judge_one(row.txn_date, features)
    counting.SCORING.observe(time.perf_counter() - began)
    scored = _finished(row, judged)
    if past.loose >= packed_rows.LOOSE_ROWS:
        after_answer(lambda: packed_rows.keep_read(row.user_id, past))
    return Taken(row, Outcome.CREATED, (), scored, new.stored)


def _begun(result: PGresult) -> _Begun | None:
    past = lookback.read(result)
    return None if past is None else _Begun(past, scoring.begin_last(past.columns))


def _asked_again(values: Mapping[str, Any]) -> _Begun:
    past = lookback.read_again(lookback.OF_GIVEN, values)
    return _Begun(past, scoring.begin_last(past.columns))


def _there(row: Row) -> Taken:
    """What becomes of a row whose id was there. Its score is computed again, and recorded nowhere."""
    (written,) = store.write([row])
    if written.outcome is Outcome.CONFLICT:
        return Taken(row, written.outcome, written.fields, None)
    if written.outcome is Outcome.CREATED:  # The one that was there has just gone.
        pending.mark({row.user_id: row.txn_date})
    with counting.SCORING.time():
        scored = scorer.explain(user_id=row.user_id, txn_date=row.txn_date, id=row.id)
    return Taken(row, written.outcome, written.fields, scored)


def _failed(row: Row, error: Exception) -> Unscored:
    """Why a row that is stored has no score."""
    unscored = TIMED_OUT if isinstance(error.__cause__ or error, QueryCanceled) else FAILED
    FAILURES.labels(unscored.code).inc()
    log.error("scoring_failed", transaction_id=str(row.id), code=unscored.code, exc_info=error)
    return unscored


def _finished(row: Row, judged: Judged | Unscored) -> Scored | Unscored:
    """The score with its reasons. An anomaly's is recorded; of any other the reasons are told while the disk writes."""
    if isinstance(judged, Unscored):
        return judged
    if judged.scores.score[0] >= settings.ANOMALY_FLOOR:
        scored = judged.only
        _record(row, scored)
        return scored
    return judged.only if connection.savepoint_ids else round_trip.commit(lambda: _told(row, judged))


def _told(row: Row, judged: Judged) -> Scored | Unscored:
    try:
        scored = judged.only
        return replace(scored, sentences=sentences(scored.reasons, row.currency))
    except Exception as error:
        # The row is stored by now.
        return _failed(row, error)


def _execute(statements: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statements)


def _record(row: Row, scored: Scored) -> None:
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
