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
    older = packed.shape[1] - of_packed
    rows = np.empty((len(STACKED), of_packed + of_newest), np.int64)
    # Number by number: slices of two dimensions take seconds to compile.
    for number in range(CURRENCY + 1):
        for i in range(of_packed):
            rows[number, i] = packed[number, older + i]
        for i in range(of_newest):
            rows[number, of_packed + i] = newest[of_newest - 1 - i, number]
    for i in range(of_packed + of_newest):
        rows[FAILED, i] = rows[CURRENCY, i] & 1
        rows[CURRENCY, i] >>= 8
    for i in range(1, len(newest)):
        tied |= newest[i, 0] == newest[i - 1, 0]
    return rows, tied
