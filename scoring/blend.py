"""From evidence to three numbers: raw, rarity and score, and the level that people speak of.

raw is the sum of the groups' contributions, in decades of surprise. rarity N says that one in N
transactions of the reference's population is as strange. score is 20 log10 N, from 0 to 100.
"""

from dataclasses import dataclass

import numpy as np

from scoring.columns import PACKED, Columns, Floats
from scoring.features import Features, build, build_last, laid
from scoring.reference import GROUPS, MINIMUM_ROWS, Reference, in_cache, summed
from scoring.visits import Seen

LEVELS = ((80.0, "high"), (60.0, "medium"), (40.0, "low"))
POINTS_PER_DECADE = 20.0
HIGHEST_SCORE = 100.0


@dataclass(frozen=True, eq=False, slots=True)
class Scores:
    """raw, rarity (>= 1) and score (0 to 100), each (n,); contributions (n, G) that sum to raw.

    reference is the one they were scored against; of a row that was scored alone the surprises of ALL_EVIDENCE are
    kept, for its reasons.
    """

    raw: Floats
    rarity: Floats
    score: Floats
    contributions: Floats
    reference: Reference
    surprises: Floats | None = None


def score(features: Features, reference: Reference) -> Scores:
    """How strange each of n rows is for the reference's population. Row by row: no row sees another."""
    if len(features) == 1:
        # Only here: it is compiled.
        from scoring import last_score

        surprises = last_score.surprises(features, reference.norms)
        parts = last_score.contributions(surprises, reference)
        alone = summed(parts.tolist())
        decades = np.array([reference.raw.surprise_of(alone)])
        return Scores(np.array([alone]), *rarity_and_score(decades), parts[np.newaxis], reference, surprises)
    contributions = np.empty((len(GROUPS), len(features))).T
    raw, rarity, points = np.empty((3, len(features)))
    for rows in in_cache(len(features)):
        contributions[rows] = reference.contributions(features.take(rows))
        raw[rows] = summed([*contributions[rows].T])
        rarity[rows], points[rows] = rarity_and_score(reference.raw.surprise(raw[rows]))
    return Scores(raw, rarity, points, contributions, reference)


def get_ready() -> None:
    """Score one row, so that what is compiled for it is there before somebody waits for it."""
    # What comes from the database can only be read.
    rows, _ = laid(np.zeros((1, len(PACKED)), np.int64), np.frombuffer(bytes(8 * len(PACKED)), np.int64).reshape(-1, 1))
    some, none = np.arange(MINIMUM_ROWS), np.zeros(MINIMUM_ROWS, np.int64)
    columns = Columns(none, some, some, none.astype(np.int32), none.astype(np.bool_))
    seen = Seen(np.zeros((1, 2), np.int64), known=True)
    score(build_last(rows, seen), Reference.fit(build(columns)))


def rarity_and_score(decades: Floats) -> tuple[Floats, Floats]:
    """What stands for the surprise (n,) of raw."""
    # Not NumPy's clip: for one row it takes four times as long.
    return 10.0**decades, np.minimum(np.maximum(POINTS_PER_DECADE * decades, 0), HIGHEST_SCORE)


def level(score: float) -> str:
    """ "normal", "low", "medium" or "high": one in a hundred, a thousand, ten thousand."""
    return next((name for least, name in LEVELS if score >= least), "normal")
