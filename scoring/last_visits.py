"""What a user's last row sees of its merchant, as `merchant` has it of many rows.

A compiled loop with the same operations on the same integers; the docstrings there say what the numbers mean.
"""

import math

import numpy as np

from scoring import merchant
from scoring.amounts import MINIMUM_PAST
from scoring.columns import Floats, Ints
from scoring.compiled import compiled
from scoring.last_row import unlikeliness
from scoring.spell import PRIOR_MARKED
from scoring.visits import DEPARTURES_US, EDGES, STEP_OF, STEPS, Seen
from scoring.windows import DAY_US

NAN = math.nan
NAMES = merchant.EVIDENCE + merchant.FACTS
UNLIKE, SILENCE, DEVIATIONS, SEEN, USUAL, SPREAD, DEPARTED, USUAL_DEPARTURES = (
    NAMES.index(name)
    for name in (
        merchant.DEPARTURES,
        merchant.SILENCE,
        "merchant_deviations",
        "merchant_seen",
        "merchant_amount",
        "merchant_spread",
        "merchant_departures_14d",
        "merchant_usual_departures_14d",
    )
)
# Of each window the evidence, the payments in it, and how many the earlier rate would bring.
SURGES, COUNTS, MEANS = (NAMES.index(name) for name in (merchant.EVIDENCE[0], "merchant_1d", "merchant_usual_1d"))
WINDOWS_US = merchant.WINDOWS_US


def build(seen: Seen | None, at_us: int, minor: int, *, departs: bool) -> list[float]:
    """NAMES of a row at `at_us` with the amount `minor`, which departs from its user's past or not."""
    if seen is None:
        return [NAN] * len(NAMES)
    found = of_payments(seen.payments, at_us, minor, departs, seen.recent, seen.before)
    found[USUAL] = np.power(10.0, found[USUAL] / STEPS) / 100
    result: list[float] = found.tolist()
    for window in range(len(WINDOWS_US)):
        result[SURGES + window] = surge(result[COUNTS + window], result[MEANS + window])
    if result[DEPARTED] > result[USUAL_DEPARTURES]:
        result[UNLIKE] = unlikeliness(result[DEPARTED], result[USUAL_DEPARTURES])
    if not seen.known:
        result[SEEN] = NAN
    return result


def surge(count: float, usual: float) -> float:
    """As in merchant.surge, of so many payments where the earlier rate would bring so many."""
    if not count + 1 > merchant.SURGE_TIMES * usual:
        return 0 * usual
    chance = unlikeliness(count + 1, merchant.SURGE_TIMES * usual)
    return min(chance, 1 + float(np.log10((count + 1) / usual)))


@compiled
def of_payments(payments: Ints, at_us: int, minor: int, departs: bool, recent: int, before: int) -> Floats:
    """NAMES, with chances left open, and the usual amount in steps; the rest as Seen and `build` have it."""
    found = np.full(len(NAMES), NAN)
    count = len(payments)
    found[SEEN] = count
    if count:
        found[SILENCE] = math.sqrt((at_us - payments[0, 0]) / DAY_US)
    if count >= MINIMUM_PAST:
        found[DEVIATIONS], found[USUAL], found[SPREAD] = of_amounts(payments, minor)
    for window, window_us in enumerate(WINDOWS_US):
        earlier, span_us = earlier_than(payments, at_us, window_us)
        if earlier >= MINIMUM_PAST and span_us >= window_us:
            found[COUNTS + window] = count - earlier
            found[MEANS + window] = earlier * (window_us / max(span_us, 1))
    earlier, span_us = earlier_than(payments, at_us, DEPARTURES_US)
    if earlier >= MINIMUM_PAST and span_us >= DEPARTURES_US:
        found[UNLIKE] = 0.0
        if departs:
            found[DEPARTED] = recent
            found[USUAL_DEPARTURES] = (before + PRIOR_MARKED) * (DEPARTURES_US / max(span_us, 1))
    return found


@compiled
def of_amounts(payments: Ints, minor: int) -> tuple[float, float, float]:
    """As merchant.amounts, with the mean in steps in the place of the usual amount."""
    total, squares = 0, 0
    for i in range(len(payments)):
        step = step_of(payments[i, 1])
        total, squares = total + step, squares + step * step
    mean = total / len(payments)
    spread = math.sqrt(max(squares / len(payments) - mean * mean, 0.0))
    return (step_of(minor) - mean) / max(spread, merchant.LEAST_SPREAD * STEPS), mean, spread / STEPS


@compiled
def step_of(minor: int) -> int:
    """As visits.steps_of."""
    return int(STEP_OF[np.searchsorted(EDGES, minor, side="right")])


@compiled
def earlier_than(payments: Ints, at_us: int, window_us: int) -> tuple[int, int]:
    """Payments before the window, and how long the stretch is before it."""
    start = 0
    while start < len(payments) and payments[start, 0] >= at_us - window_us:
        start += 1
    span_us = at_us - window_us - payments[-1, 0] if len(payments) else 0
    return len(payments) - start, span_us
