"""The ranking of somebody who is told of every fraud that can be told, and learns from our features: what is in them.

Gradient boosting at the defaults of scikit-learn but for smaller steps, on the days before a period, with the labels of
all frauds up to its first day but the hidden ones, as if each were known at once. No ranking without labels can count
on as much, whatever it makes of the same features.
"""

import numpy as np

import scoring
from scoring.columns import Bools, Floats

TAUGHT_DAYS = 60


def ranking(features: scoring.Features, fraud: Bools, past: Bools, now: Bools) -> Floats:
    """Scores of the rows `now` (n,) by what was learned of the rows `past` (n,), of which `fraud` (n,) were frauds."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    learned = features.values[past]
    telling = [place for place, column in enumerate(learned.T) if _differs(column)]
    model = HistGradientBoostingClassifier(learning_rate=0.06, max_iter=200, min_samples_leaf=50, random_state=0)
    model.fit(learned[:, telling], fraud[past])
    return np.asarray(model.predict_proba(features.values[now][:, telling])[:, 1])


def _differs(column: Floats) -> bool:
    known = column[~np.isnan(column)]
    return bool(len(known) and known.min() < known.max())
