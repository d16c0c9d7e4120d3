"""Odd hours: several payments within a day at hours at which this user hardly ever pays.

An hour is odd if the user's share of payments around it (counted as in `hours`, over the PAST_ROWS rows before, and
shrunk to an even day with the weight of PRIOR_PAYMENTS payments) is less than 1 / LESS_THAN_EVEN of what every hour of
an even day would have. One odd hour is a late evening. The evidence is -log10 of the chance that a Poisson process at
the user's own rate of payments at odd hours, each judged by the rows before it, brings as many as the last day did,
this one included: who pays with a stolen card pays when he is awake, and more than once. It is believed no further
than the lift, 1 + log10(count / usual): people change their hours, and of nobody's change it is known beforehand.
Sources: as in `hours` and `spell`, whose rates these are.
Limits: as in `hours`. A user who moves to another time zone pays at odd hours until these are his own.
"""

from typing import Any

import numpy as np

from scoring import spell
from scoring.columns import Floats, Ints
from scoring.hours import HOURS, KERNEL, Parts
from scoring.velocity import unlikeliness
from scoring.windows import DAY_US, HOUR_US, PAST_ROWS, Block

EVIDENCE = ("odd_hours",)
FACTS = ("odd_1d", "expected_odd_1d")

WINDOW_US = DAY_US
PRIOR_PAYMENTS = 10
LESS_THAN_EVEN = 2
WHOLE = int(KERNEL.sum())


def build(block: Block, running: Parts) -> list[Floats]:
    """EVIDENCE and then FACTS, each (n,) in the order of the block; `running` as hours.running has it."""
    line = block.users
    hour, oldest = block.columns.at_us // HOUR_US % HOURS, line.last(PAST_ROWS)
    odd = is_odd(running[line.index, hour] - running[oldest, hour], line.index - oldest)
    many, expected = spell.counted(line, odd.astype(np.int64), WINDOW_US)
    some = many > 0
    chance = unlikeliness(many, expected, block.wanted)
    chance[some] = np.minimum(chance[some], np.maximum(1 + np.log10(many[some] / expected[some]), 0.0))
    # How few are usual is told only of some, so that live need not reckon it for every payment.
    return [chance, many.astype(np.float64), np.where(some, expected, np.nan)]


def is_odd(weight: Parts | int, payments: Ints | int) -> Any:
    """Whether so much of so many payments around an hour is too little: of one or of many, (n,).

    In integers, so that nothing is rounded.
    """
    around = HOURS * weight + WHOLE * PRIOR_PAYMENTS
    return LESS_THAN_EVEN * around < WHOLE * (payments + PRIOR_PAYMENTS)
