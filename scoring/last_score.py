"""The score of one row: of a payment that somebody waits for.

A call of NumPy takes a microsecond and more, however little it computes, and the score of one row would make some
hundred and fifty of them. So this repeats for one row, in compiled loops with the same operations in the same order,
what `reference` computes for many.
"""

import math

import numpy as np

from scoring import hours, joint, merchant, population, single
from scoring.columns import Floats, Ints
from scoring.compiled import compiled
from scoring.corroboration import CATCHING_UP
from scoring.features import PLACE, Features
from scoring.reference import (
    ALL_EVIDENCE,
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

NAN = math.nan
# Where each group's evidence begins among all of it.
STARTS = np.cumsum([0, *(len(EVIDENCE[group]) for group in GROUPS)])
# The features that are looked up, of evidence that is more than one as well.
LOOKED_UP = {**dict.fromkeys(ALL_EVIDENCE, 0), **PLACE, merchant.AT_MERCHANT: PLACE["merchant_deviations"]}
PLACES = np.array([LOOKED_UP[name] for name in ALL_EVIDENCE])
HOUR_UNUSUAL, AT_HOUR, IN_CATEGORY, AT_MERCHANT, IN_POPULATION = map(
    ALL_EVIDENCE.index, (*hours.EVIDENCE, joint.AT_HOUR, joint.IN_CATEGORY, merchant.AT_MERCHANT, *population.EVIDENCE)
)
HOUR, WEIGHT, PAYMENTS = (PLACE[name] for name in hours.FACTS)
AMOUNT, AMOUNT_BIN, CATEGORY, SPREAD = (PLACE[name] for name in ("amount", "amount_bin", "category", "merchant_spread"))
IS_CHANCE, IS_ALTERNATIVE, IS_OF_CHANCES = (
    np.array([name in some for name in all_])
    for all_, some in ((ALL_EVIDENCE, CHANCES), (GROUPS, ALTERNATIVES), (GROUPS, OF_CHANCES))
)
NOISES = np.array([NOISE[group] for group in GROUPS])


def surprises(features: Features, norms: Norms) -> Floats:
    """(E,) the surprise of every piece of evidence of the only row of `features`, ALL_EVIDENCE; NaN is unknown."""
    row = features.values[0]
    currency = int(features.currency[0])
    evidence = row.take(PLACES)
    evidence[HOUR_UNUSUAL] = -np.log10(single.hour_share(row[HOUR], row[WEIGHT], row[PAYMENTS], norms.hours))
    evidence[AT_HOUR] = single.in_cell(norms.at_hour.get(currency), row[AMOUNT_BIN], row[HOUR])
    evidence[IN_CATEGORY] = single.in_cell(norms.in_category.get(currency), row[AMOUNT_BIN], row[CATEGORY])
    if not row[SPREAD] <= merchant.MOST_SPREAD * norms.spreads.get(currency, NAN):
        evidence[AT_MERCHANT] = NAN
    knots = norms.knots
    found = surprises_of(evidence, knots.start, knots.values, knots.surprises)
    # In a currency that is not known all of these are unknown.
    amounts = norms.amounts.get(currency)
    found[IN_POPULATION] = NAN if amounts is None else amounts.surprise_of(float(row[AMOUNT]))
    return found


def contributions(found: Floats, reference: Reference) -> Floats:
    """(G,) what each group adds to raw, by the surprises of all evidence; 0 where it is unknown."""
    knots = reference.knots
    return contributions_of(found, *reference.scales, knots.start, knots.values, knots.surprises)


@compiled
def surprises_of(evidence: Floats, start: Ints, values: Floats, surprises: Floats) -> Floats:
    """(E,) as Norms.surprise of each, with the knots of all."""
    found = np.full(len(evidence), NAN)
    for i in range(len(evidence)):
        one, knots = evidence[i], slice(start[i], start[i + 1])
        if one == one and start[i] < start[i + 1]:
            is_chance = IS_CHANCE[i]
            found[i] = min(one, LARGEST_SURPRISE) if is_chance else surprise_of(one, values[knots], surprises[knots])
    return found


@compiled
def contributions_of(
    evidence: Floats, weights: Floats, doubts: Floats, start: Ints, values: Floats, surprises: Floats
) -> Floats:
    """(G,) as reference.contributions, by the surprises (E,) of all evidence and the knots of the groups."""
    found = np.zeros(len(weights))
    for i in range(len(weights)):
        own, knots = evidence[STARTS[i] : STARTS[i + 1]], slice(start[i], start[i + 1])
        surprise = known_most(own) if IS_ALTERNATIVE[i] else known_mean(own)
        if surprise != surprise or (start[i] == start[i + 1] and not IS_OF_CHANCES[i]):
            continue
        if start[i] < start[i + 1]:
            surprise = surprise_of(surprise, values[knots], surprises[knots])
        decades = surprise - NOISES[i]
        if doubts[i]:
            decades = min(decades, CATCHING_UP * (decades - doubts[i]))
        found[i] = weights[i] * max(decades, 0.0) + TIE_BREAKER * surprise
    return found


@compiled
def surprise_of(value: float, values: Floats, surprises: Floats) -> float:
    """As Tail.surprise_of."""
    place = int(np.searchsorted(values, value, side="right")) - 1
    # At a knot there is no slope to take: that to the next one may be infinite.
    if place < 0 or place == len(values) - 1 or values[place] == value:
        return float(surprises[max(place, 0)])
    slope = (surprises[place + 1] - surprises[place]) / (values[place + 1] - values[place])
    return float(slope * (value - values[place]) + surprises[place])


@compiled
def known_most(evidence: Floats) -> float:
    """As reference.known_most."""
    most = NAN
    for one in evidence:
        if not one <= most and one == one:
            most = one
    return most


@compiled
def known_mean(evidence: Floats) -> float:
    """As reference.known_mean."""
    total, count = 0.0, 0
    for one in evidence:
        if one == one:
            total, count = total + one, count + 1
    return total / count if count else NAN
