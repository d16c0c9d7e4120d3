"""The amount against what this user paid before, in the same currency.

Median and median absolute deviation of the last 50 payments, and mean and spread over 90 days, all on
the plain amounts: on logarithms a fivefold payment of a user whose small payments vary much would pass.
In the 90 days each amount counts for at most three medians of its own past, so that one fraud does not
teach the profile. The spread is the mean distance of each amount from the median of its own past, which
unlike a sum of squares stays an integer.
Sources: Leys et al. 2013 (median and MAD); Tukey's winsorising.
Limits: fewer than MINIMUM_PAST payments in the currency are no past, and a median of 0 is no measure.
"""

from dataclasses import dataclass

import numpy as np

from scoring.columns import Bools, Floats, Ints
from scoring.windows import DAY_US, PAST_ROWS, Block, Line, medians

NAME = "own_amount"
EVIDENCE = ("amount_over_median", "amount_deviations", "amount_over_mean", "amount_spreads")
FACTS = ("median", "deviation", "past_payments", "mean_90d", "spread_90d", "payments_90d")

LAST_PAYMENTS = 50
PROFILE_US = 90 * DAY_US
MINIMUM_PAST = 8
# Below three payments a median says too little to cut an amount down to three of it.
MINIMUM_TO_WINSORISE = 3
WINSORISED_MEDIANS = 3
# The scale never falls below a tenth of the middle: a subscription's amounts do not vary at all.
LEAST_SCALE = 0.1
# They turn a median and a mean absolute deviation into the sigma of a normal distribution.
SIGMA_OF_MEDIAN_DEVIATION = 1.4826
SIGMA_OF_MEAN_DEVIATION = 1.2533


@dataclass(frozen=True, eq=False)
class Past:
    """What each row's own last payments were, on the line of purses.

    doubled and median (m,) in half hundredths, deviation (m,) in quarters of a hundredth, count (m,);
    wanted (m,) as in Block.
    """

    line: Line
    doubled: Ints
    median: Ints
    deviation: Ints
    count: Ints
    wanted: Bools

    @property
    def winsorised(self) -> Ints:
        """(m,) each amount, but at most three medians of its own past."""
        limit = np.where(self.count < MINIMUM_TO_WINSORISE, self.doubled, WINSORISED_MEDIANS * self.median)
        return np.minimum(self.doubled, limit)


def past_of(block: Block) -> Past:
    """The last payments before each row, at most LAST_PAYMENTS of its PAST_ROWS earlier rows."""
    line = block.purses
    minor = block.columns.minor[line.order]
    oldest = oldest_payment(line)
    median, deviation = medians(minor, oldest, LAST_PAYMENTS)
    return Past(line, 2 * minor, median, deviation, line.index - oldest, block.wanted[line.order])


def oldest_payment(line: Line) -> Ints:
    """(m,) index of the first of each row's last payments."""
    return np.maximum(line.last(PAST_ROWS), line.index - LAST_PAYMENTS)


def build(past: Past) -> list[Floats]:
    """EVIDENCE and then FACTS, each (m,) on the line of purses; facts in currency units and counts."""
    amount = past.doubled / 200
    median = known(past.median / 200, past.count)
    deviation = known(past.deviation / 400, past.count)
    oldest = past.line.since(PROFILE_US)
    payments = past.line.index - oldest
    whole = 200 * np.maximum(payments, 1)
    mean = known(past.line.sums(past.winsorised, oldest) / whole, payments)
    spread = known(past.line.sums(np.abs(past.doubled - past.median), oldest) / whole, payments)
    return [
        ratio(amount, median),
        ratio(amount - median, np.maximum(SIGMA_OF_MEDIAN_DEVIATION * deviation, LEAST_SCALE * median)),
        ratio(amount, mean),
        ratio(amount - mean, np.maximum(SIGMA_OF_MEAN_DEVIATION * spread, LEAST_SCALE * mean)),
        median,
        deviation,
        past.count.astype(np.float64),
        mean,
        spread,
        payments.astype(np.float64),
    ]


def known(values: Floats, count: Ints) -> Floats:
    """`values`, unknown (NaN) where they rest on fewer than MINIMUM_PAST payments."""
    return np.where(count < MINIMUM_PAST, np.nan, values)


def ratio(above: Floats, below: Floats) -> Floats:
    """above / below, unknown where `below` is 0."""
    return above / np.where(below > 0, below, np.nan)
