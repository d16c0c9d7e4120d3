"""What others offer for finding anomalies without labels: each learns from the past, and scores what comes then."""

from collections.abc import Callable

import numpy as np

from scoring.columns import Floats

# Of IsolationForest, which is drawn at random: on the handbook, twelve draws differ in mean average precision by 9 %.
DRAWS = 5
# River takes one row at a time in Python: of a month it learns from the newest rows.
STREAM_ROWS = 50_000


def forest(past: Floats, now: Floats, seed: int = 0) -> Floats:
    """scikit-learn's IsolationForest at its defaults."""
    from sklearn.ensemble import IsolationForest

    return np.asarray(-IsolationForest(random_state=seed).fit(past).score_samples(now))


def ecod(past: Floats, now: Floats) -> Floats:
    """pyod's ECOD at its defaults."""
    from pyod.models.ecod import ECOD

    return np.asarray(ECOD().fit(past).decision_function(now))


def hbos(past: Floats, now: Floats) -> Floats:
    """pyod's HBOS at its defaults."""
    from pyod.models.hbos import HBOS

    return np.asarray(HBOS().fit(past).decision_function(now))


def half_space_trees(past: Floats, now: Floats) -> Floats:
    """river's HalfSpaceTrees at its defaults, on features scaled to the range of the past as it asks for."""
    from river.anomaly import HalfSpaceTrees

    low, high = past.min(axis=0), past.max(axis=0)
    before, after = (
        ((values - low) / np.maximum(high - low, 1e-12)).clip(0, 1).tolist() for values in (past[-STREAM_ROWS:], now)
    )
    trees = HalfSpaceTrees(seed=0)
    for row in before:
        trees.learn_one(dict(enumerate(row)))
    return np.array([trees.score_one(dict(enumerate(row))) for row in after])


RIVALS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "IsolationForest": forest,
    "ECOD": ecod,
    "HBOS": hbos,
    "HalfSpaceTrees": half_space_trees,
}
