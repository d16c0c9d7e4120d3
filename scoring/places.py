"""Where each of many values lies among a few increasing knots: NumPy's searchsorted, at a tenth of its cost.

At every second step of a binary search the processor guesses wrong which half an unforeseeable value lies in, and that
costs more than all else. So the leading bits of a value's distance from the first knot, which grow with the value,
choose a cell of a table; the table says how many knots lie in earlier cells, and those of this cell are compared. What
rounding moves to another cell it moves together with all that lies beyond: the place is exact, whatever the value.
Source: Bentley and Friedman 1979 (cells). That the bits of a float >= 0 grow with it is IEEE 754.
"""

from dataclasses import dataclass

import numpy as np

from scoring.columns import Floats, Ints

# Of a float, below its exponent.
FRACTION_BITS = 52
# How many bits of the fraction may tell cells apart: each makes the table twice as long.
BITS_TRIED = range(4, 13)
# A longer table would not stay in the processor's first cache.
MOST_CELLS = 4096
# Fewer values are not worth a table.
MANY = 2000
# Every knot in a cell costs a comparison of all values: with more than these a binary search is as fast.
MOST_IN_A_CELL = 16


@dataclass(frozen=True, eq=False, slots=True)
class Places:
    """A table for knots (k,). A value's cell is the bits of its distance but the last `shift`, less `offset`.

    earlier: how many knots lie before each cell. in_a_cell: how many lie in one at most.
    """

    knots: Floats
    next_knots: Floats
    shift: int
    offset: int
    earlier: Ints
    in_a_cell: int

    def up_to(self, values: Floats) -> Ints:
        """(n,) how many knots are at or below each value; for NaN some number of them."""
        if self.in_a_cell > MOST_IN_A_CELL:
            return self.knots.searchsorted(values, side="right")
        cells = (values - self.knots[0]).view(np.int64)
        cells >>= self.shift
        cells -= self.offset
        # Below the first knot distances, and so the numbers of their cells, are negative: they count as the first's.
        found: Ints = self.earlier.take(cells, mode="clip")
        for _ in range(self.in_a_cell):
            found += values >= self.next_knots.take(found)
        return found


def among(knots: Floats) -> Places:
    """The table with the fewest knots in a cell, and of those the shortest. knots (k,), k > 0, increasing."""
    distances = (knots - knots[0]).view(np.int64)
    best = Places(knots, np.append(knots, np.nan), 0, 0, np.zeros(1, np.int64), len(knots))
    for kept in BITS_TRIED:
        cells = distances >> (FRACTION_BITS - kept)
        # The first knot, at distance 0, is as many doublings away from the second as floats have.
        offset = int(cells[:2].max()) - 1
        cells = np.maximum(cells - offset, 0)
        in_a_cell = int((cells.searchsorted(cells, side="right") - np.arange(len(cells))).max())
        if cells[-1] < MOST_CELLS and in_a_cell < best.in_a_cell:
            earlier = cells.searchsorted(np.arange(cells[-1] + 1))
            best = Places(knots, best.next_knots, FRACTION_BITS - kept, offset, earlier, in_a_cell)
    return best
