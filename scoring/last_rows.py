"""A user's rows as the features of the last one take them, of what is packed and what is not.

A compiled loop, as that of `last_row`: NumPy would go over them some twenty times.
"""

import numpy as np

from scoring.columns import STACKED, Ints
from scoring.compiled import compiled

CURRENCY, FAILED = STACKED.index("currency"), STACKED.index("failed")


@compiled
def laid(newest: Ints, packed: Ints, most: int) -> tuple[Ints, bool]:
    """(8, n) at most so many rows, the newest, as `Columns.stacked` has them; and whether any of `newest` tie.

    newest (k, 7), the newest first, come after packed (7, m), the oldest first: PACKED.
    """
    of_newest, tied = min(len(newest), most), False
    of_packed = min(packed.shape[1], most - of_newest)
    rows = np.empty((len(STACKED), of_packed + of_newest), np.int64)
    rows[:CURRENCY, :of_packed] = packed[:CURRENCY, packed.shape[1] - of_packed :]
    both = packed[CURRENCY, packed.shape[1] - of_packed :]
    rows[CURRENCY, :of_packed], rows[FAILED, :of_packed] = both >> 8, both & 1
    for i in range(of_newest):
        place = of_packed + of_newest - 1 - i
        rows[:CURRENCY, place] = newest[i, :CURRENCY]
        rows[CURRENCY, place], rows[FAILED, place] = newest[i, CURRENCY] >> 8, newest[i, CURRENCY] & 1
    for i in range(1, len(newest)):
        tied |= newest[i, 0] == newest[i - 1, 0]
    return rows, tied
