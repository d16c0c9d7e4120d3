"""One row without arrays: the score of a payment that somebody waits for.

A call of NumPy takes a microsecond and more, however little it computes, and the score of one row would make some
hundred and fifty of them. So this repeats, for one row and in plain floats, what `reference` computes for many, with
the same operations in the same order.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from scoring import hours, joint, merchant
from scoring.columns import Floats
from scoring.corroboration import CATCHING_UP
from scoring.features import PLACE, Features
from scoring.reference import (
    ALTERNATIVES,
    CHANCES,
    EVIDENCE,
    GROUPS,
    NOISE,
    OF_CHANCES,
    TIE_BREAKER,
    Norms,
    Reference,
)
from scoring.tails import LARGEST_SURPRISE

Surprises = Mapping[str, float]

# Evidence that is a feature itself.
OWN = tuple(name for group in GROUPS for name in EVIDENCE[group] if name in PLACE)
(HOUR_UNUSUAL,) = hours.EVIDENCE
HOUR, WEIGHT, PAYMENTS = (PLACE[name] for name in hours.FACTS)
AMOUNT, AMOUNT_BIN, CATEGORY = (PLACE[name] for name in ("amount", "amount_bin", "category"))
DEVIATIONS, SPREAD = PLACE["merchant_deviations"], PLACE["merchant_spread"]


def surprises(features: Features, norms: Norms) -> Surprises:
    """The surprise of every piece of evidence of the only row of `features`, by its name; NaN where it is unknown."""
    row = features.values[0].tolist()
    currency = int(features.currency[0])
    found = {name: of_feature(name, row[PLACE[name]], norms) for name in OWN}
    # In a currency that is not known all of these are unknown.
    amounts = norms.amounts.get(currency)
    found["amount_in_population"] = math.nan if amounts is None else amounts.surprise_of(row[AMOUNT])
    found[HOUR_UNUSUAL] = of_feature(HOUR_UNUSUAL, hour_unusual(row, norms.hours), norms)
    for name, key, histograms in (
        (joint.AT_HOUR, HOUR, norms.at_hour),
        (joint.IN_CATEGORY, CATEGORY, norms.in_category),
    ):
        cell = in_cell(histograms.get(currency), row[AMOUNT_BIN], row[key])
        found[name] = of_feature(name, cell, norms)
    tells = row[SPREAD] <= merchant.MOST_SPREAD * norms.spreads.get(currency, math.nan)
    found[merchant.AT_MERCHANT] = of_feature(merchant.AT_MERCHANT, row[DEVIATIONS] if tells else math.nan, norms)
    return found


def hour_unusual(row: Sequence[float], population: Floats) -> float:
    """As hours.unusual."""
    return -float(np.log10(hour_share(row[HOUR], row[WEIGHT], row[PAYMENTS], population)))


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
    decades, doubt = surprise - NOISE[group], reference.doubts[group]
    if doubt:
        decades = min(decades, CATCHING_UP * (decades - doubt))
    return reference.weights[group] * max(decades, 0.0) + TIE_BREAKER * surprise


def mean(values: Sequence[float]) -> float:
    # Not sum(): from Python 3.12 on it carries the lost bits along, and the batch does not.
    total = 0.0
    for value in values:
        total += value
    return total / len(values)


def leading(known: Surprises, group: str) -> str:
    """The name of the most surprising evidence of a group."""
    return max(EVIDENCE[group], key=lambda name: 0.0 if known[name] != known[name] else known[name])
