"""A user's last row against the amounts that he paid before it in its currency, as `amounts` and `spell` have them.

Compiled loops with the same operations on the same integers; the docstrings there say what the numbers mean.
"""

import math

import numpy as np

from scoring import amounts, spell
from scoring.amounts import LAST_PAYMENTS, MINIMUM_PAST, MINIMUM_TO_WINSORISE, WINSORISED_MEDIANS
from scoring.columns import Floats, Ints
from scoring.compiled import compiled
from scoring.windows import PAST_ROWS, PROFILE_ROWS

NAN = math.nan
PROFILE_US, SPELL_US, WEEK_US = amounts.PROFILE_US, spell.SPELL_US, spell.WEEK_US
SHORTEST_PROFILE_US, PRIOR_MARKED = spell.SHORTEST_PROFILE_US, spell.PRIOR_MARKED
OF_MEDIAN, OF_MEAN = amounts.SIGMA_OF_MEDIAN_DEVIATION, amounts.SIGMA_OF_MEAN_DEVIATION
LEAST_SCALE = amounts.LEAST_SCALE


@compiled
def of_purse(at_us: Ints, minor: Ints, currency: Ints, features: Floats, of_spells: Floats) -> None:
    """Writes the columns of `amounts`, and of `spell` without what its chance makes of them."""
    own = np.flatnonzero(currency == currency[-1])
    last, now = len(own) - 1, at_us[-1]
    first = last
    while first > 0 and own[first - 1] >= len(at_us) - 1 - PROFILE_ROWS and at_us[own[first - 1]] >= now - PROFILE_US:
        first -= 1
    at_us, before = at_us[own[first:]], np.minimum(np.arange(first, last + 1), LAST_PAYMENTS)
    for j in range(first, last + 1):
        # Of several currencies those rows count that are among the user's last ones.
        while own[j - before[j - first]] < own[j] - PAST_ROWS:
            before[j - first] -= 1
    minor = minor[own]
    median, deviation = medians(minor, first, before)
    of_amounts(2 * minor[first:], median, before, deviation, features)
    of_spell(at_us, 2 * minor[first:], median, before, of_spells)


@compiled
def medians(minor: Ints, first: int, count: Ints) -> tuple[Ints, int]:
    """Twice the medians of the `count` (k,) amounts before each row from `first` on, 0 of none; and four times the
    median absolute deviation of those before the last.
    """
    window, size, oldest = np.empty(LAST_PAYMENTS + 1, np.int64), 0, first - count[0]
    for i in range(oldest, first):
        size = put_in(window, size, minor[i])
    median = np.zeros(len(count), np.int64)
    for place in range(len(count)):
        while oldest < first + place - count[place]:
            size = taken_out(window, size, minor[oldest])
            oldest += 1
        if size:
            median[place] = window[(size - 1) // 2] + window[size // 2]
        if place < len(count) - 1:
            size = put_in(window, size, minor[first + place])
    if not size:
        return median, 0
    distance = np.sort(np.abs(2 * window[:size] - median[-1]))
    return median, distance[(size - 1) // 2] + distance[size // 2]


@compiled
def put_in(window: Ints, size: int, amount: int) -> int:
    """Puts an amount into the first `size` of the window, which rise; says how many these are then."""
    place = place_of(window, size, amount)
    for i in range(size, place, -1):
        window[i] = window[i - 1]
    window[place] = amount
    return size + 1


@compiled
def taken_out(window: Ints, size: int, amount: int) -> int:
    """Takes one out again."""
    for i in range(place_of(window, size, amount), size - 1):
        window[i] = window[i + 1]
    return size - 1


@compiled
def place_of(window: Ints, size: int, amount: int) -> int:
    """How many of them are less."""
    less = 0
    # To the end, without a branch: many are compared at once.
    for i in range(size):
        less += window[i] < amount
    return less


@compiled
def of_amounts(doubled: Ints, median: Ints, count: Ints, deviation: int, out: Floats) -> None:
    """As amounts.build. doubled, median, count (k,) as in amounts.Past, from the first row of the profile on."""
    total, distances, payments = 0, 0, len(doubled) - 1
    for i in range(payments):
        total += winsorised(doubled[i], median[i], count[i])
        distances += abs(doubled[i] - median[i])
    amount, whole = doubled[-1] / 200, 200 * max(payments, 1)
    middle, usual = known(median[-1] / 200, count[-1]), known(deviation / 400, count[-1])
    mean, spread = known(total / whole, payments), known(distances / whole, payments)
    out[0] = ratio(amount, middle)
    out[1] = ratio(amount - middle, most(OF_MEDIAN * usual, LEAST_SCALE * middle))
    out[2] = ratio(amount, mean)
    out[3] = ratio(amount - mean, most(OF_MEAN * spread, LEAST_SCALE * mean))
    out[4], out[5], out[6] = middle, usual, count[-1]
    out[7], out[8], out[9] = mean, spread, payments


@compiled
def of_spell(at_us: Ints, doubled: Ints, median: Ints, count: Ints, out: Floats) -> None:
    """As spell.build, with the chance left open. at_us (k,) and the others as above."""
    last, span_us = len(doubled) - 1, at_us[-1] - at_us[0]
    total, spend, before, many, recent, rest = 0, 0, 0, 0, 0, 0
    for i in range(last):
        total += winsorised(doubled[i], median[i], count[i])
        over = excess(doubled[i], median[i], count[i])
        if at_us[i] >= at_us[-1] - SPELL_US:
            before += over
            many += over > 0
        if at_us[i] >= at_us[-1] - WEEK_US:
            spend += doubled[i]
            recent += over > 0
        else:
            rest += over > 0
    is_long = span_us >= SHORTEST_PROFILE_US and last >= MINIMUM_PAST
    own, middle = max(doubled[-1] - median[-1], 0), known(float(median[-1]), count[-1])
    out[0] = ratio(float(own + min(own, before)), middle)
    out[1] = ratio(float(before), middle)
    out[4], out[5], out[6] = many, before / 200, (spend + doubled[-1]) / 200
    out[7] = total / 200 * (WEEK_US / max(span_us, 1)) if is_long else NAN
    out[2] = ratio(out[6], out[7])
    out[8] = recent + (excess(doubled[-1], median[-1], count[-1]) > 0)
    expected = (rest + PRIOR_MARKED) * (WEEK_US / max(span_us, WEEK_US))
    out[9] = expected if is_long and median[-1] > 0 else NAN


@compiled
def winsorised(doubled: int, median: int, count: int) -> int:
    """As amounts.Past.winsorised."""
    return doubled if count < MINIMUM_TO_WINSORISE else min(doubled, WINSORISED_MEDIANS * median)


@compiled
def excess(doubled: int, median: int, count: int) -> int:
    """As spell.large_excess."""
    return 0 if count < MINIMUM_PAST else max(doubled - WINSORISED_MEDIANS * median, 0)


@compiled
def known(value: float, count: int) -> float:
    """As amounts.known."""
    return NAN if count < MINIMUM_PAST else value


@compiled
def ratio(above: float, below: float) -> float:
    """As amounts.ratio."""
    return above / below if below > 0 else NAN


@compiled
def most(one: float, other: float) -> float:
    """The larger; unknown if one of them is, as in NumPy's maximum."""
    return NAN if one != one or other != other else max(one, other)
