"""The hour of the day against the hours of this user, on the circle of 24 hours in UTC.

Each earlier payment of the profile counts for its own hour and, less, for the neighbours (weights
1 2 3 2 1 of 9). The share at this hour is shrunk to the population's share with the weight of
POPULATION_WEIGHT payments, so that a short past is not taken for a habit; the evidence is -log10 of it.
Limits: the user's time zone and the day of the week are not known.
"""

import numpy as np
from numpy.typing import NDArray

from scoring.amounts import MINIMUM_PAST
from scoring.columns import Floats
from scoring.windows import HOUR_US, PROFILE_ROWS, Block

NAME = "hour"
EVIDENCE = ("hour_unusual",)
FACTS = ("hour", "hour_weight", "hour_payments")

HOURS = 24
KERNEL = np.array([1, 2, 3, 2, 1], np.int64)
POPULATION_WEIGHT = 10.0

# Sums of KERNEL's parts.
Parts = NDArray[np.int32]
# (24, 24): what a payment at one hour counts for each hour.
NEARNESS = np.array([np.roll(np.pad(KERNEL, (0, HOURS - len(KERNEL))), hour - 2) for hour in range(HOURS)], np.int32)


def running(block: Block) -> Parts:
    """(n + 1, 24) what the rows before each count for each hour, in parts of KERNEL, summed from the block's first."""
    result = np.zeros((len(block.columns) + 1, HOURS), np.int32)
    np.cumsum(NEARNESS[block.columns.at_us // HOUR_US % HOURS], axis=0, out=result[1:])
    return result


def build(block: Block, running: Parts) -> list[Floats]:
    """FACTS, each (n,): the hour, and what of the profile's payments counts for it; NaN with too little past."""
    line = block.users
    hour = block.columns.at_us // HOUR_US % HOURS
    oldest = line.last(PROFILE_ROWS)
    weight = running[line.index, hour] - running[oldest, hour]
    payments = line.index - oldest
    enough = payments >= MINIMUM_PAST
    return [
        hour.astype(np.float64),
        np.where(enough, weight / KERNEL.sum(), np.nan),
        payments.astype(np.float64),
    ]


def habits(hour: Floats) -> Floats:
    """(24,) share of the population's payments at each hour, smoothed over the neighbours; sums to 1."""
    counts = np.bincount(hour.astype(np.int64), minlength=HOURS) + 1.0 / HOURS
    smoothed: Floats = counts @ NEARNESS / KERNEL.sum()
    return np.asarray(smoothed / smoothed.sum())


def unusual(hour: Floats, weight: Floats, payments: Floats, population: Floats) -> Floats:
    """(n,) -log10 of the user's share of payments around this hour, shrunk to the population's."""
    return -np.log10(share(hour, weight, payments, population))


def share(hour: Floats, weight: Floats, payments: Floats, population: Floats) -> Floats:
    """(n,) share of the user's payments around this hour, shrunk to the population's (24,)."""
    prior = population[hour.astype(np.int64)]
    return (weight + POPULATION_WEIGHT * prior) / (payments + POPULATION_WEIGHT)
