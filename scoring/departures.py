"""Departures: payments that depart from what their user did before, by his own past alone.

A payment departs if it comes at an hour that is odd for its user, as `odd_hours` says of the profile that `hours`
looks at; or if its amount is above LARGE_MEDIANS of his medians. Of one user that is a late evening, or a new washing
machine. Of a merchant's customers it tells more: whoever stole their data there pays when he is awake, and what he
likes. So it is not evidence by itself, but counted at the merchant, whose `departures_14d` (`merchant`) is this group;
and it can be told of a payment, and kept, before anything is scored.
Sources: as in `odd_hours` and `amounts`, whose numbers these are.
Limits: unknown is no departure: a user's first payments are none.
"""

from typing import Any

import numpy as np

from scoring import hours
from scoring.amounts import LAST_PAYMENTS, known, oldest_payment, ratio
from scoring.columns import Bools, Columns, Floats
from scoring.odd_hours import WHOLE, is_odd
from scoring.windows import Block, blocks, least_before, medians_at

NAME = "departures"
# The features that tell it.
FEATURES = ("hour_weight", "hour_payments", "amount_over_median")
# Three medians are a large payment, as every tenth may be; above ten is about one in forty.
LARGE_MEDIANS = 10.0


def departs(hour_weight: Any, hour_payments: Any, amount_over_median: Any) -> Any:
    """Whether payments depart, by FEATURES of theirs: of one, or of many, (n,)."""
    # Unknown is NaN, of which no comparison is true.
    return is_odd(hour_weight * WHOLE, hour_payments) | (amount_over_median > LARGE_MEDIANS)


def departing(columns: Columns, wanted: Bools | None = None) -> Bools:
    """Whether each row departs, or each of the `wanted` (n,) ones, in their order; as features.build sees them."""
    places = np.arange(len(columns)) if wanted is None else np.flatnonzero(wanted)
    found = np.empty(len(places), np.bool_)
    for rows, block, inside in blocks(columns, places):
        _, weight, payments = hours.build(block, hours.running(block))
        found[rows] = departs(weight, payments, over_median(block))[inside]
    return found


def over_median(block: Block) -> Floats:
    """(n,) `amount_over_median` in the order of the block where it may be above LARGE_MEDIANS, and elsewhere NaN."""
    line = block.purses
    minor, oldest = block.columns.minor[line.order], oldest_payment(line)
    # No median lies below the least amount: of most payments it need not be known. With room for what is rounded.
    least = least_before(minor, LAST_PAYMENTS)
    some = np.flatnonzero((minor > (LARGE_MEDIANS - 1) * least) & block.wanted[line.order])
    median, count = medians_at(minor, oldest, LAST_PAYMENTS, some), line.index[some] - oldest[some]
    result = np.full(len(minor), np.nan)
    result[line.order[some]] = ratio(2 * minor[some] / 200, known(median / 200, count))
    return result
