"""The rolling-mean rule: the baseline to beat, and a detector that anyone understands.

An amount is flagged if it is more than 5 times the mean of the user's last 20 amounts in the same
currency, with at least 10 of them. As a ranking: the amount over that mean.
"""

import numpy as np

from scoring.columns import Bools, Columns, Floats
from scoring.windows import PAST_ROWS, Block

LAST_PAYMENTS = 20
MINIMUM_PAST = 10
TIMES_MEAN = 5.0


def amount_over_mean(columns: Columns) -> Floats:
    """(n,) each amount over the mean of the last 20 before it; NaN with fewer than 10, or a mean of 0."""
    line = Block(columns, np.ones(len(columns), np.bool_)).purses
    minor = columns.minor[line.order]
    oldest = np.maximum(line.last(PAST_ROWS), line.index - LAST_PAYMENTS)
    count = line.index - oldest
    total = line.sums(minor, oldest)
    over = minor * count / np.where((count < MINIMUM_PAST) | (total == 0), np.nan, total)
    result = np.empty_like(over)
    result[line.order] = over
    return result


def flagged(columns: Columns) -> Bools:
    """(n,) whether the rule flags each row; with too little past it does not."""
    return amount_over_mean(columns) > TIMES_MEAN
