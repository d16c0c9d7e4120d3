"""What is asked of one row alone: to score it (`last_score`), or to say why it has its score (`reasons`)."""

import math

from scoring import hours, joint, tails
from scoring.columns import Floats
from scoring.reference import EVIDENCE, GROUPS


def hour_share(hour: float, weight: float, payments: float, population: Floats) -> float:
    """As hours.share."""
    prior = float(population[int(hour)])
    return (weight + hours.POPULATION_WEIGHT * prior) / (payments + hours.POPULATION_WEIGHT)


def in_cell(histogram: joint.Histogram | None, amount: float, key: float) -> float:
    """As joint.value."""
    if histogram is None or key != key:
        return math.nan
    place = min(int(histogram.keys.searchsorted(key)), len(histogram.keys) - 1)
    return float(histogram.unusual[int(amount), place]) if histogram.keys[place] == key else math.nan


def leading(surprises: Floats) -> list[str]:
    """The name of the most surprising evidence of each group, by the surprises of ALL_EVIDENCE; NaN is unknown."""
    found, known = [], tails.known_or_0(surprises).tolist()
    for group in GROUPS:
        names = EVIDENCE[group]
        own, known = known[: len(names)], known[len(names) :]
        found.append(names[own.index(max(own))])
    return found
