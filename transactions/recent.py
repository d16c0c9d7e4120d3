"""A user's latest payments, and how strange each of them was: bounded reads, however many the user has."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import numpy as np

import scoring
from anomalies import references
from anomalies.profile import Payment
from transactions import history, merchants, scorer
from transactions.instants import instant
from transactions.models import Transaction

# What a profile is made of.
PROFILE_ROWS = 200
SCORES_SHOWN = 20


class RecentScore(NamedTuple):
    """A stored transaction and its score, None before the first reference."""

    transaction_id: UUID
    txn_date: datetime
    score: float | None
    level: str | None


def payments(user_id: UUID) -> list[Payment]:
    """What the user's profile is made of, newest first. One query."""
    rows = Transaction.objects.filter(user_id=user_id).order_by("-txn_date", "id")
    return [Payment(*row) for row in rows.values_list(*Payment._fields)[:PROFILE_ROWS]]


def scores(user_id: UUID) -> list[RecentScore]:
    """Of the user's latest transactions, newest first, each by what was known when it happened.

    Computed anew, all at once: only anomalies keep their scores. Two queries for the rows and their merchants' past,
    and those of `references.in_force_at`.
    """
    past = history.latest(user_id, SCORES_SHOWN)
    rows = np.flatnonzero(past.wanted)
    instants = [instant(int(at)) for at in past.columns.at_us[rows]]
    # Oldest first, as the rows. Not all that are stored: after years these are hundreds.
    in_force = {one.id: one for one in references.in_force_at(instants) if one is not None}
    known: dict[int, float] = {}
    for judged in scorer.judge(past, merchants.of_file(None), among=list(in_force.values())):
        known |= zip(judged.rows.tolist(), judged.scores.score.tolist(), strict=True)
    found = [_recent(past.id_of(row), at, known.get(row)) for row, at in zip(rows.tolist(), instants, strict=True)]
    return found[::-1]


def _recent(id: UUID, at: datetime, score: float | None) -> RecentScore:  # noqa: A002
    return RecentScore(id, at, score, None if score is None else scoring.level(score))
