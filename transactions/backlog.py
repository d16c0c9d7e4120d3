"""Scoring what waits: users are taken off the list by the batch, and a batch commits whole or not at all.

A run that is killed loses nothing, because the claim rolls back with the records; several workers share the
work, because each passes over the users that another one holds. Memory is bounded by the batch: what of the claimed
users' rows does not fit into it waits again.
"""

import math
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models import Max

from anomalies import budget, cases, pending, references
from anomalies.findings import Finding, Scored
from anomalies.models import Anomaly, PendingScore
from anomalies.prepared import array, fetch
from anomalies.record import CASES_FOR, record, standing
from transactions import crew, departures, history, merchants, norms, packed_rows, pieces, scorer

FIRST_BATCH_USERS = 200
SNAPSHOTS = """
    SELECT id, user_id, amount, currency, txn_date, status, merchant_id
    FROM transactions WHERE id = ANY(%s::uuid[])
"""

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Summary:
    """What a run did: users and rows scored, rows before any reference, anomalies kept, cases opened."""

    users: int = 0
    scored: int = 0
    unscored: int = 0
    anomalies: int = 0
    cases: int = 0
    references: int = 0
    stopped: bool = False
    seconds: float = 0.0

    def __add__(self, other: "Summary") -> "Summary":
        return Summary(*(ours + theirs for ours, theirs in zip(astuple(self), astuple(other), strict=True)))


def score_pending(
    *, progress: Progress | None = None, should_stop: Callable[[], bool] = lambda: False, workers: int = 1
) -> Summary:
    """Score everything that waits, in batches of users; each batch is one database transaction.

    `progress` hears (users done, users in all) now and then; `should_stop` is asked between batches. With more than
    one of `workers`, as many processes share what one batch leaves; this one is among them.
    """
    began, total, others = time.monotonic(), PendingScore.objects.count(), 0
    with merchants.stretches(users=total) as stretches, ThreadPoolExecutor(1) as thread:
        if total and workers > 1:
            rows = _rows_about(total)
            stretches.begin(rows, thread)
            others = workers - 1 if total > FIRST_BATCH_USERS or rows > pieces.ROWS_AT_ONCE else 0
        if total:
            departures.bring_up_to_date(should_stop=should_stop, workers=workers)
        # They start, which takes seconds, while this process does what only one can do.
        with crew.beside([crew.Job(f"{__name__}.score_share")] * (0 if should_stop() else others)) as helpers:
            first = Summary(references=norms.build_due(stretches) if total and not should_stop() else 0)
            score_batches(first, stretches, should_stop=should_stop, most=1)
            helpers.begin(stretches.shared)
            run = _Run(first, helpers, total, progress)
            score_batches(run.own, stretches, should_stop=should_stop, heard=run.tell)
            while helpers.at_work:
                if should_stop():
                    helpers.stop()
                helpers.listen(crew.POLL_S)
                run.tell()
        # What a helper held that was killed.
        score_batches(run.own, stretches, should_stop=should_stop, heard=run.tell)
    summary = run.summary
    if summary.users:
        summary.cases = _open_cases()
    summary.stopped, summary.seconds = should_stop() and PendingScore.objects.exists(), time.monotonic() - began
    return summary


def _rows_about(users: int) -> int:
    """How many rows of so many users wait, by some of them."""
    some = list(PendingScore.objects.order_by("?").values_list("user_id", "since")[: pieces.FIRST_USERS])
    return sum(pieces.counts(some, before=0)) * users // max(len(some), 1)


@dataclass(slots=True)
class _Run:
    """What this process and its helpers have done so far."""

    own: Summary
    helpers: crew.Crew
    total: int
    progress: Progress | None

    @property
    def summary(self) -> Summary:
        return sum(self.helpers.told.values(), self.own)

    def tell(self) -> None:
        self.helpers.listen()
        if self.progress:
            done = self.summary.users
            self.progress(done, max(self.total, done))


def score_share(pipe: Connection) -> None:
    """Score batches until nothing waits or the pipe says stop: the job of a helper.

    It begins when the pipe tells the folder of the run's file of merchants, or that there is none.
    """
    merchants_file: Path | None = crew.told_to_begin(pipe)
    summary, stretches = Summary(), merchants.of_file(merchants_file)
    score_batches(summary, stretches, should_stop=pipe.poll, heard=lambda: crew.tell(pipe, summary))


def score_batches(
    summary: Summary,
    stretches: merchants.Stretches,
    *,
    should_stop: Callable[[], bool],
    heard: Callable[[], object] = lambda: None,
    most: float = math.inf,
) -> None:
    """Score batches, `most` at most, until nothing waits, adding to the summary; `heard` is called after each."""
    users_at_once, done = FIRST_BATCH_USERS, 0
    while done < most and not should_stop() and (rows := _score_batch(users_at_once, summary, stretches)) is not None:
        users_at_once = max(1, min(users_at_once * 4, users_at_once * pieces.ROWS_AT_ONCE // max(rows, 1)))
        done += 1
        heard()


def _score_batch(limit: int, summary: Summary, stretches: merchants.Stretches) -> int | None:
    """Claim, score and record one batch; the rows it read, or None when nobody waits."""
    with transaction.atomic():
        claimed = pending.claim(limit)
        if not claimed:
            return None
        piece = pieces.first(claimed)
        _put_back(claimed, piece)
        # First what stands and then the rows: an anomaly that a live request records in between stays.
        stood = standing(piece.users, piece.since, until=piece.until)
        past = history.of_users(piece.users, piece.since, until=piece.until)
        judged = {one.transaction_id for one in stood if one.judged}
        features = stretches.features(past)
        # Some may have come since the run has looked at all that waited.
        departures.keep(piece, past, features.departs)
        findings = _findings(scorer.by_each(past, features, references.all_stored()), past, judged, summary)
        record(findings, rescored=stood, threshold=math.inf)
    if piece.rest is None:
        # Not in the same transaction: whoever waits for one of these rows would wait for all that comes before.
        packed_rows.keep([*packed_rows.of_batch(past, piece.users)])
    summary.users += len(piece.wanted) - (piece.rest is not None)
    summary.anomalies += len(findings)
    return len(past) * len(claimed) // len(piece.wanted)


def _put_back(claimed: list[pieces.Wanted], piece: pieces.Piece) -> None:
    """Whoever does not fit into the piece waits again, and the rest of the last user with them."""
    left = dict(claimed[len(piece.wanted) :])
    if piece.rest:
        left[piece.rest[0]] = piece.rest[1]
    if left:
        pending.mark(left)


def _open_cases() -> int:
    """Open the cases that the run's anomalies call for; says how many.

    After the last batch, because only then it is known which score the alert budget buys.
    """
    latest = Anomaly.objects.aggregate(latest=Max("txn_date"))["latest"]
    if latest is None:
        return 0
    with transaction.atomic():
        return cases.open_due(threshold=budget.threshold(latest), since=latest - CASES_FOR)


def _findings(
    parts: Iterable[scorer.Judged], past: history.History, judged_before: set[UUID], summary: Summary
) -> list[Finding]:
    """The wanted rows that reach the floor, and those whose anomaly stays because somebody judged it."""
    found: dict[UUID, Scored] = {}
    count = 0
    for judged in parts:
        count += len(judged.rows)
        places = _kept(past, judged, judged_before)
        ids = (past.id_of(int(judged.rows[place])) for place in places)
        found |= zip(ids, judged.scored(places), strict=True)
    summary.scored += count
    summary.unscored += int(past.wanted.sum()) - count
    return _with_snapshots(found)


def _kept(past: history.History, judged: scorer.Judged, judged_before: set[UUID]) -> list[int]:
    """The places in `judged` of the rows that have an anomaly."""
    kept = judged.scores.score >= settings.ANOMALY_FLOOR
    if judged_before:
        kept |= [past.id_of(int(row)) in judged_before for row in judged.rows]
    places: list[int] = np.flatnonzero(kept).tolist()
    return places


def _with_snapshots(found: dict[UUID, Scored]) -> list[Finding]:
    """The findings with what the anomalies keep of their transactions. One query."""
    return [Finding(*(*row, found[row[0]])) for row in fetch(SNAPSHOTS, [array(found)])]
