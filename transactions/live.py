"""The way of one transaction whose score somebody waits for: one round trip to the database, or two for an anomaly.

The trip waits for the user's turn, fetches the row's past, stores the row and commits. The score is computed while the
row is being stored, and the commit sent after it if the row is ordinary, whose reasons are told while the disk writes.
What is recorded of an anomaly goes with the commit, on a trip of its own. No fault in scoring costs a transaction:
whatever fails, all is undone, the row is stored alone, its user is marked, and the answer says why there is no score.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache, partial

import orjson
import structlog
from django.conf import settings
from django.db import connection, transaction
from prometheus_client import Counter
from psycopg.errors import QueryCanceled
from psycopg.pq.abc import PGresult

import scoring
from anomalies import budget, pending, references, round_trip
from anomalies.findings import Finding, Scored, Unscored
from anomalies.fresh import record_fresh
from anomalies.guard import Guard, Unsure
from anomalies.renewed import Renewed, after_answer
from anomalies.round_trip import Statement, Talk
from anomalies.sentences import sentences
from transactions import counting, departures, lookback, packed_rows, scorer, store
from transactions.rows import BadRow, Row
from transactions.scorer import Judged
from transactions.store import Outcome
from transactions.taken import FAILED, TIMED_OUT, Taken
from transactions.unscored import store_unscored

log = structlog.get_logger(__name__)

FAILURES = Counter("live_scoring_failures", "Transactions stored without a score because scoring failed.", ["code"])


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
    course = _Course(row, references.in_force(row.txn_date), is_alone=not connection.savepoint_ids)
    hears = {lookback.OF_GIVEN: course.hear_past, lookback.SEEN_BY_GIVEN: course.hear_seen}
    talk = Talk(hears, course.reply, course.tell)
    stored = store.write_in_turn(row, guard, tuple(hears), lookback.limits(), talk)
    if stored is None:
        if guard is not None:
            raise Unsure
        return _there(row)
    talk.check()
    return Taken(row, Outcome.CREATED, (), course.finish(), stored)


class _Course:
    """What is known of one row's score while the row is being stored, and after.

    is_alone: nobody else has anything to do in the database transaction.
    """

    def __init__(self, row: Row, reference: references.Stored | None, *, is_alone: bool) -> None:
        self.row = row
        self.reference = reference
        self.is_alone = is_alone
        self.began, self.took_s = time.perf_counter(), 0.0
        self.past: lookback.Lookback | None = None
        self.own: Sequence[float] = ()
        self.seen: PGresult | None = None
        self.departs = False
        self.judged: Judged | Unscored | None = None
        self.scored: Scored | Unscored | None = None

    def hear_past(self, result: PGresult) -> None:
        self.past = lookback.read(result)
        if self.past is not None:
            self.own = scoring.begin_last(self.past.rows)

    def hear_seen(self, result: PGresult) -> None:
        self.seen = result
        # Else the past is asked for again when the row is stored.
        if self.past is not None and lookback.is_whole(self.past, result):
            self.judge(self.past, result)

    def judge(self, past: lookback.Lookback, seen: PGresult) -> None:
        at_merchant = lookback.read_seen(seen, past)
        self.departs = at_merchant.known and scoring.departs_last(self.own)
        features = scoring.end_last(self.own, past.rows, at_merchant)
        self.judged = scorer.judge_one(features, self.reference) if self.reference else scorer.NO_REFERENCE
        self.took_s = time.perf_counter() - self.began

    def reply(self) -> Sequence[Statement]:
        kept = (departures.KEEP_ONE,) if self.departs else ()
        return (*kept, round_trip.COMMIT) if self.is_alone and not self.is_anomaly else kept

    @property
    def is_anomaly(self) -> bool:
        """Whether something is to be recorded, or that is not known yet."""
        if isinstance(self.judged, Judged):
            return bool(self.judged.scores.score[0] >= settings.ANOMALY_FLOOR)
        return self.judged is None

    def tell(self) -> None:
        """The reasons of an ordinary row, while the disk writes."""
        if not self.is_anomaly:
            self.scored = _told(self.row, self.judged) if isinstance(self.judged, Judged) else self.judged

    def finish(self) -> Scored | Unscored:
        """The score when the row is stored; an anomaly is recorded."""
        if self.judged is None and self.seen is not None:
            self._ask_again(self.seen)
        counting.SCORING.observe(self.took_s)
        if isinstance(self.judged, Judged) and self.is_anomaly:
            self.scored = _with_sentences(self.row, self.judged)
            _record(self.row, self.scored, commits=self.is_alone)
        if self.past is not None and self.past.loose >= packed_rows.LOOSE_ROWS:
            after_answer(partial(packed_rows.keep_read, self.row.user_id, self.past))
        assert self.scored is not None
        return self.scored

    def _ask_again(self, seen: PGresult) -> None:
        """Where it could not be told which rows of one instant count, or one is missing from the packed rows."""
        self.past = lookback.read_again(lookback.OF_GIVEN, {**store.row_values(self.row), **lookback.limits()})
        self.own = scoring.begin_last(self.past.rows)
        self.judge(self.past, seen)
        if self.departs:
            (kept,) = round_trip.together((departures.KEEP_ONE,), store.row_values(self.row))
            round_trip.row(kept)
        self.tell()


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


def _told(row: Row, judged: Judged) -> Scored | Unscored:
    try:
        return _with_sentences(row, judged)
    except Exception as error:
        # The row is stored all the same.
        return _failed(row, error)


def _with_sentences(row: Row, judged: Judged) -> Scored:
    scored = judged.only
    return replace(scored, sentences=sentences(scored.reasons, row.currency))


def _execute(statements: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statements)


def _record(row: Row, scored: Scored, *, commits: bool) -> None:
    merchant = orjson.loads(row.meta_data).get("merchant_id")
    snapshot = (row.id, row.user_id, row.amount, row.currency, row.txn_date, row.status)
    finding = Finding(*snapshot, merchant_id=None if merchant is None else str(merchant), scored=scored)
    record_fresh(finding, threshold=_threshold(row.txn_date), commits=commits)


def _threshold(at: datetime) -> float:
    """The alert threshold at that time, some seconds old (`anomalies.renewed`) and for the hour as a whole."""
    if not settings.LIVE_CACHE_S:
        return budget.threshold(at)
    return _threshold_of(at.replace(minute=0, second=0, microsecond=0))()


@lru_cache(maxsize=64)
def _threshold_of(hour: datetime) -> Renewed[float]:
    return Renewed(lambda: budget.threshold(hour + timedelta(hours=1)))
