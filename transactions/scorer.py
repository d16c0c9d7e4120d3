"""From stored rows to scores: history, the reference in force, and `scoring` between them."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

import scoring
from anomalies import references
from anomalies.findings import Scored, Unscored
from transactions import history, lookback, merchants
from transactions.instants import microseconds

NO_REFERENCE = Unscored(
    "no_reference",
    "Nothing was known of what is normal at that time: a score needs about a day of earlier transactions.",
)
LAST = np.array([-1], np.intp)


class Judged(NamedTuple):
    """Some rows of a history, all scored against one reference; `rows` are their places in the history."""

    rows: NDArray[np.intp]
    features: scoring.Features
    scores: scoring.Scores
    reference_id: UUID
    model_version_id: UUID

    def scored(self, places: Sequence[int]) -> list[Scored]:
        """Numbers, reasons and known features of the rows at `places` in here."""
        explained = scoring.explain(self.features, self.scores, places)
        return [self._scored(i, why) for i, why in zip(places, explained, strict=True)]

    @property
    def only(self) -> Scored:
        """Those of its only row."""
        return self.scored([0])[0]

    def _scored(self, i: int, why: scoring.Explained) -> Scored:
        score = float(self.scores.score[i])
        return Scored(
            raw=float(self.scores.raw[i]),
            rarity=float(self.scores.rarity[i]),
            score=score,
            level=scoring.level(score),
            reasons=why.reasons,
            features=why.features,
            reference_id=self.reference_id,
            model_version_id=self.model_version_id,
        )


def explain(*, user_id: UUID, txn_date: datetime, id: UUID) -> Scored | Unscored:  # noqa: A002
    """Score and reasons of one stored transaction, by what was known when it happened. Two queries."""
    reference = references.in_force(txn_date)
    if reference is None:
        return NO_REFERENCE
    return judge_one(features_of(user_id=user_id, txn_date=txn_date, id=id), reference).only


def features_of(*, user_id: UUID, txn_date: datetime, id: UUID) -> scoring.Features:  # noqa: A002
    """Those of one stored transaction. One query."""
    found, seen = lookback.up_to(user_id, txn_date, id)
    return scoring.build_last(found.rows, seen)


def judge_one(features: scoring.Features, reference: references.Stored) -> Judged:
    """The only row of `features`, at whose time this reference is in force."""
    scores = scoring.score(features, reference.content)
    return Judged(LAST, features, scores, reference.id, reference.model_version_id)


def judge(
    past: history.History, stretches: merchants.Stretches, *, among: Sequence[references.Stored] | None = None
) -> Iterator[Judged]:
    """The wanted rows, each scored against the reference in force at its time; rows before any stay out.

    among: at least those that are in force at some wanted row, oldest first; all that are stored if not given.
    """
    stored = references.all_stored() if among is None else among
    return by_each(past, stretches.features(past), stored)


def by_each(past: history.History, features: scoring.Features, stored: Sequence[references.Stored]) -> Iterator[Judged]:
    """`judge` of features that are known already, and by these references, oldest first."""
    begun = np.array([microseconds(reference.begins) for reference in stored], dtype=np.int64)
    rows = np.flatnonzero(past.wanted)
    in_force = np.searchsorted(begun, past.columns.at_us[rows], side="right") - 1
    for number in np.unique(in_force[in_force >= 0]):
        members = np.flatnonzero(in_force == number)
        part, reference = features.take(members), stored[number]
        scores = scoring.score(part, reference.content)
        yield Judged(rows[members], part, scores, reference.id, reference.model_version_id)
