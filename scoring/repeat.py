"""Charged again: the same merchant takes the same amount from the same user, minutes after the last time.

The evidence is -log10 of the chance that an independent payment would look like that: that the user's next payment
comes so soon (in a Poisson process at the usual rate, 1 - exp(-pause / usual pause)), and that it is this charge, by
Laplace's rule of succession from how often this charge was among the user's last NOVELTY_ROWS payments. Whoever buys
two tickets every day has usual repetitions. A failed payment took nothing: it neither repeats nor is repeated, so the
second try of a refused payment is no repetition.
Sources: Laplace 1814; the Poisson process as in `silence`.
Limits: after an hour it is another visit. Two wanted tickets look the same as a double charge.
"""

import numpy as np
from numpy.typing import NDArray

from scoring.columns import Bools, Floats, Ints
from scoring.joint import SPREAD
from scoring.windows import DAY_US, HOUR_US, NOVELTY_ROWS, PLACE_BITS, Block

NAME = "repeat"
EVIDENCE = ("charged_again",)
FACTS = ("repeat_minutes", "same_charges", "charges")

LONGEST_PAUSE_US = HOUR_US
MINUTE_US = HOUR_US // 60


def build(block: Block, usual_days: Floats) -> list[Floats]:
    """EVIDENCE and then FACTS, each (n,) in the order of the block; usual_days (n,) between two payments."""
    line, at_us = block.users, block.columns.at_us
    charged = (block.columns.merchant != 0) & ~block.columns.failed
    evidence = np.where((block.columns.merchant != 0) & (usual_days > 0), 0.0, np.nan)
    minutes, same = np.full(len(evidence), np.nan), np.zeros(len(evidence))
    oldest = line.last(NOVELTY_ROWS)
    charges = (line.index - oldest).astype(np.float64)
    if not charged.any():
        return [evidence, minutes, same, charges]
    key = charge(block, charged)
    last = block.previous(key)
    pause_us = at_us - at_us[last]
    again = np.flatnonzero(charged & (last >= oldest) & (pause_us <= LONGEST_PAUSE_US) & (usual_days > 0))
    if len(again):
        minutes[again] = pause_us[again] / MINUTE_US
        same[again] = earlier_of_key(key, again, oldest[again])
        soon = -np.expm1(-pause_us[again] / DAY_US / usual_days[again])
        chance = np.maximum(soon, LEAST_CHANCE) * same[again] / (charges[again] + 1)
        evidence[again] = np.maximum(-np.log10(chance), 0.0)
    return [evidence, minutes, same, charges]


# A second charge in the same instant: rarer than any chance that a score tells apart.
LEAST_CHANCE = 1e-8


def charge(block: Block, charged: Bools) -> Ints:
    """(n,) a number for merchant, amount and currency; each row that charges nothing has one of its own."""
    columns = block.columns
    money = (columns.minor * SPREAD + columns.currency) * SPREAD
    return np.where(charged, (columns.merchant + money) * SPREAD, ~block.users.index)


def earlier_of_key(key: Ints, rows: NDArray[np.intp], oldest: Ints) -> Ints:
    """How many of the rows from `oldest` to just before each of `rows` have its key; all (k,) but key (n,)."""
    shifted = key.astype(np.uint64) << np.uint64(PLACE_BITS)
    packed = np.sort(shifted | np.arange(len(key)).astype(np.uint64))
    first = packed.searchsorted(shifted[rows] | oldest.astype(np.uint64))
    here = packed.searchsorted(shifted[rows] | rows.astype(np.uint64))
    return np.asarray(here - first)
