"""One row without arrays: the score of a payment that somebody waits for.

A call of NumPy takes a microsecond and more, however little it computes, and the score of one row would make some
hundred and fifty of them. So this repeats, for one row and in plain floats, what `reference` computes for many, with
the same operations in the same order. Evidence that is no feature of its own is asked of `reference`.
"""

import math
from collections.abc import Mapping, Sequence

from scoring.features import PLACE, Features
from scoring.reference import (
    ALTERNATIVES,
    CHANCES,
    EVIDENCE,
    GROUPS,
    OF_CHANCES,
    TIE_BREAKER,
    Norms,
    Reference,
)
from scoring.tails import LARGEST_SURPRISE

Surprises = Mapping[str, float]


def surprises(features: Features, norms: Norms) -> Surprises:
    """The surprise of every piece of evidence of the only row of `features`, by its name; NaN where it is unknown."""
    row = features.values[0].tolist()
    return {
        name: of_feature(name, row[PLACE[name]], norms) if name in PLACE else float(norms.surprise(features, name)[0])
        for group in GROUPS
        for name in EVIDENCE[group]
    }


def of_feature(name: str, value: float, norms: Norms) -> float:
    """The surprise of one feature's value."""
    tail = norms.evidence.get(name)
    if tail is None or value != value:
        return math.nan
    return min(value, LARGEST_SURPRISE) if name in CHANCES else tail.surprise_of(value)


def contributions(known: Surprises, reference: Reference) -> list[float]:
    """What each of the G groups adds to raw; 0 where it is unknown."""
    return [contribution(group, [known[name] for name in EVIDENCE[group]], reference) for group in GROUPS]


def contribution(group: str, evidence: Sequence[float], reference: Reference) -> float:
    tail = reference.groups.get(group)
    known = [surprise for surprise in evidence if surprise == surprise]
    if not known or (tail is None and group not in OF_CHANCES):
        return 0.0
    together = max(known) if group in ALTERNATIVES else mean(known)
    surprise = together if tail is None else tail.surprise_of(together)
    return reference.weights[group] * max(surprise - 1, 0.0) + TIE_BREAKER * surprise


def mean(values: Sequence[float]) -> float:
    # Not sum(): from Python 3.12 on it carries the lost bits along, and the batch does not.
    total = 0.0
    for value in values:
        total += value
    return total / len(values)


def leading(known: Surprises, group: str) -> str:
    """The name of the most surprising evidence of a group."""
    return max(EVIDENCE[group], key=lambda name: 0.0 if known[name] != known[name] else known[name])
