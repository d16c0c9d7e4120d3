"""From evidence to three numbers: raw, rarity and score, and the level that people speak of.

raw is the sum of the groups' contributions, in decades of surprise. rarity N says that one in N
transactions of the reference's population is as strange. score is 20 log10 N, from 0 to 100.
"""

from dataclasses import dataclass

import numpy as np

from scoring import single
from scoring.columns import Floats
from scoring.features import Features
from scoring.reference import GROUPS, Reference

LEVELS = ((80.0, "high"), (60.0, "medium"), (40.0, "low"))
POINTS_PER_DECADE = 20.0
HIGHEST_SCORE = 100.0
# Rows scored at a time, so that the intermediate columns stay in the processor's cache.
ROWS_AT_A_TIME = 16_384


@dataclass(frozen=True, eq=False, slots=True)
class Scores:
    """raw, rarity (>= 1) and score (0 to 100), each (n,); contributions (n, G) that sum to raw.

    reference is the one they were scored against; surprises are kept of a row that was scored alone, for its reasons.
    """

    raw: Floats
    rarity: Floats
    score: Floats
    contributions: Floats
    reference: Reference
    surprises: single.Surprises | None = None


def score(features: Features, reference: Reference) -> Scores:
    """How strange each of n rows is for the reference's population. Row by row: no row sees another."""
    contributions = np.empty((len(features), len(GROUPS)))
    if len(features) == 1:
        surprises = single.surprises(features, reference.norms)
        contributions[0] = single.contributions(surprises, reference)
        return blended(contributions, reference, surprises)
    for start in range(0, len(features), ROWS_AT_A_TIME):
        rows = slice(start, start + ROWS_AT_A_TIME)
        contributions[rows] = reference.contributions(features.take(rows))
    return blended(contributions, reference)


def blended(contributions: Floats, reference: Reference, surprises: single.Surprises | None = None) -> Scores:
    """The three numbers of each row from the contributions (n, G) of its groups."""
    raw = contributions.sum(axis=1)
    decades = reference.raw.surprise(raw)
    points = np.clip(POINTS_PER_DECADE * decades, 0, HIGHEST_SCORE)
    return Scores(raw, 10.0**decades, points, contributions, reference, surprises)


def level(score: float) -> str:
    """ "normal", "low", "medium" or "high": one in a hundred, a thousand, ten thousand."""
    return next((name for least, name in LEVELS if score >= least), "normal")
