"""Scoring what waits: users are taken off the list by the batch, and a batch commits whole or not at all.

A run that is killed loses nothing, because the claim rolls back with the records; several workers share the
work, because each passes over the users that another one holds.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models import Max

from anomalies import budget, cases, pending
from anomalies.findings import Finding, Scored
from anomalies.models import Anomaly, PendingScore
from anomalies.record import CASES_FOR, held, record
from transactions import history, norms, scorer
from transactions.models import Transaction

# What one batch reads. It bounds the memory, and how much a killed run does again.
ROWS_AT_ONCE = 250_000
FIRST_BATCH_USERS = 200

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


def score_pending(*, progress: Progress | None = None, should_stop: Callable[[], bool] = lambda: False) -> Summary:
    """Score everything that waits, in batches of users; each batch is one database transaction.

    `progress` hears (users done, users in all) after each batch; `should_stop` is asked between batches.
    """
    summary, began = Summary(), time.monotonic()
    total = PendingScore.objects.count()
    if total:
        summary.references = norms.build_due()
    users_at_once = FIRST_BATCH_USERS
    while not (stopping := should_stop()) and (rows := _score_batch(users_at_once, summary)) is not None:
        users_at_once = max(1, min(users_at_once * 4, users_at_once * ROWS_AT_ONCE // max(rows, 1)))
        if progress:
            progress(summary.users, max(total, summary.users))
    if summary.users:
        summary.cases = _open_cases()
    summary.stopped, summary.seconds = stopping, time.monotonic() - began
    return summary


def _score_batch(limit: int, summary: Summary) -> int | None:
    """Claim, score and record one batch; the rows it read, or None when nobody waits."""
    with transaction.atomic():
        claimed = pending.claim(limit)
        if not claimed:
            return None
        past = history.of_users([user for user, _ in claimed], [since for _, since in claimed])
        findings = _findings(past, held(claimed), summary)
        record(findings, rescored=claimed, threshold=math.inf)
    summary.users += len(claimed)
    summary.anomalies += len(findings)
    return len(past)


def _open_cases() -> int:
    """Open the cases that the run's anomalies call for; says how many.

    After the last batch, because only then it is known which score the alert budget buys.
    """
    latest = Anomaly.objects.aggregate(latest=Max("txn_date"))["latest"]
    if latest is None:
        return 0
    with transaction.atomic():
        return cases.open_due(threshold=budget.threshold(latest), since=latest - CASES_FOR)


def _findings(past: history.History, judged_before: set[UUID], summary: Summary) -> list[Finding]:
    """The wanted rows that reach the floor, and those whose anomaly stays because somebody judged it."""
    found: dict[UUID, Scored] = {}
    count = 0
    for judged in scorer.judge(past):
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
    rows = Transaction.objects.filter(id__in=list(found)).values_list(
        "id", "user_id", "amount", "currency", "txn_date", "status", "merchant_id"
    )
    return [Finding(*row, found[row[0]]) for row in rows]
