"""Silence: a payment after a pause much longer than this user's usual one, a dormant account that wakes.

The time since the user's previous payment, over the mean time between payments in the 90 days before
that one. In a Poisson process e to the minus this ratio is the chance of so long a silence.
Limits: the usual silence needs MINIMUM_PAST payments; a user who pays once a season has none.
"""

import numpy as np

from scoring.amounts import MINIMUM_PAST, PROFILE_US, ratio
from scoring.columns import Floats
from scoring.windows import DAY_US, Block

NAME = "silence"
EVIDENCE = ("silence_over_usual",)
FACTS = ("silent_days", "usual_silent_days")
# The place of usual_silent_days in what `build` returns.
USUAL = 2


def build(block: Block) -> list[Floats]:
    """EVIDENCE and then FACTS, each (n,) in the order of the block; NaN for a user's first payment."""
    line = block.users
    previous = np.maximum(line.index - 1, line.first)
    oldest = line.since(PROFILE_US)[previous]
    payments = previous - oldest
    span_days = (line.at_us[previous] - line.at_us[oldest]) / DAY_US
    usual = np.where(payments < MINIMUM_PAST, np.nan, span_days / np.maximum(payments, 1))
    silent = np.where(line.starts, np.nan, (line.at_us - line.at_us[previous]) / DAY_US)
    return [ratio(silent, usual), silent, usual]
