"""Features of every row from strictly earlier rows of its user: the one function of live and batch.

Rows are taken in blocks with the HISTORY_ROWS rows before them, so memory does not grow with the table,
and a row's features are the same numbers whether its user's history is whole or cut to HISTORY_ROWS.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring import (
    amounts,
    departures,
    hours,
    joint,
    merchant,
    novelty,
    odd_hours,
    population,
    repeat,
    silence,
    spell,
    velocity,
)
from scoring.columns import STACKED, Bools, Columns, Floats, Ints
from scoring.visits import Seen, Visits
from scoring.windows import HISTORY_ROWS, Block, blocks

# The order of the columns of Features.values: first what history gives as evidence, then facts.
HISTORIC = (amounts, spell, velocity, silence, repeat, novelty, odd_hours)
NAMES: tuple[str, ...] = (
    *(name for group in HISTORIC for name in (*group.EVIDENCE, *group.FACTS)),
    *population.FACTS,
    *hours.FACTS,
    *joint.FACTS,
    *merchant.EVIDENCE,
    *merchant.FACTS,
)
PLACE = {name: place for place, name in enumerate(NAMES)}
# What is looked at again of a row when its merchant's past is known.
LAST = [STACKED.index(name) for name in ("at_us", "minor", "currency")]


@dataclass(frozen=True, eq=False, slots=True)
class Features:
    """n rows: values (n, len(NAMES)) float64, NaN is unknown; currency (n,) as in Columns."""

    values: Floats
    currency: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.currency)

    def column(self, name: str) -> Floats:
        """(n,) the values of one feature."""
        return self.values[:, PLACE[name]]

    @property
    def departs(self) -> Bools:
        """(n,) whether each row departs from its user's past."""
        found: Bools = departs(self.values.T)
        return found

    def row(self, i: int) -> dict[str, float]:
        """Row i by name, without the unknown ones."""
        return {name: value for name, value in zip(NAMES, self.values[i].tolist(), strict=True) if value == value}

    def take(self, rows: Bools | NDArray[np.intp] | slice) -> "Features":
        """Some of the rows, by mask, indices or slice."""
        if isinstance(rows, slice):
            return Features(self.values[rows], self.currency[rows])
        # Feature by feature, as they are kept: each is read as a whole, many times.
        places = np.flatnonzero(rows) if np.asarray(rows).dtype == np.bool_ else rows
        return Features(self.values.T.take(places, axis=1).T, self.currency[places])


def join(parts: Sequence[Features]) -> Features:
    """The rows of all parts, one after the other."""
    return Features(np.concatenate([part.values for part in parts]), np.concatenate([part.currency for part in parts]))


def build(columns: Columns, wanted: Bools | None = None, visits: Visits | None = None) -> Features:
    """Features of all rows, or of the `wanted` (n,) ones, in their order.

    A row's features use only rows of the same user before it in `columns`, at most HISTORY_ROWS of them, and its
    stretch of `visits`, which has as many rows as are wanted; without visits no merchant's past is known.
    """
    places = np.arange(len(columns)) if wanted is None else np.flatnonzero(wanted)
    if len(places) == 1 and places[0] == len(columns) - 1 and columns.user[0] == columns.user[-1]:
        begun = begin_last(columns.stacked())
        ended = merchant.build(visits, columns.at_us[-1:], columns.minor[-1:], np.array([departs_last(begun)]))
        return Features(np.array([[*begun, *(column[0] for column in ended)]]), columns.currency[-1:])
    values = np.empty((len(NAMES), len(places))).T
    for rows, block, inside in blocks(columns, places):
        own = [column[inside] for column in build_block(block)]
        some = None if visits is None else visits.part(rows)
        there = merchant.build(some, block.columns.at_us[inside], block.columns.minor[inside], departs(own))
        for place, column in enumerate((*own, *there)):
            values[rows, place] = column
    return Features(values, columns.currency[places])


def laid(newest: Ints, packed: Ints) -> tuple[Ints, bool]:
    """One user's rows as `build_last` takes them, of `newest` (k, 7), the newest first, and those before them, `packed`
    (7, m), the oldest first, both PACKED; and whether any of the newest happened at one instant.
    """
    # Only here: to import the compiler takes longer than most commands, which score no row alone.
    from scoring import last_rows

    return last_rows.laid(newest, packed, HISTORY_ROWS + 1)


def build_last(rows: Ints, seen: Seen | None) -> Features:
    """Features of the last of one user's rows (8, n), STACKED, with what it sees of its merchant.

    Raises ValueError where there is no row.
    """
    return end_last(begin_last(rows), rows, seen)


def begin_last(rows: Ints) -> list[float]:
    """What `build_last` makes of the user's own rows, for `end_last`, when what is seen of the merchant is known."""
    from scoring import last_row

    return last_row.own(rows)


def end_last(begun: Sequence[float], rows: Ints, seen: Seen | None) -> Features:
    """The features that were begun, with those of the merchant."""
    from scoring import last_visits

    at_us, minor, currency = rows[LAST, -1].tolist()
    there = last_visits.build(seen, at_us, minor, departs=departs_last(begun))
    return Features(np.array([[*begun, *there]]), np.array([currency], np.int32))


def departs_last(begun: Sequence[float]) -> bool:
    """Whether the row departs, of which the features were begun: then `end_last` looks at its merchant's departures."""
    return bool(departs(begun))


def departs(columns: Sequence[Any] | Floats) -> Any:
    """Whether rows depart, by columns in the order of NAMES, of which those of the user's own rows are enough."""
    return departures.departs(*(columns[PLACE[name]] for name in departures.FEATURES))


def build_block(block: Block) -> list[Floats]:
    """The columns of NAMES that rest on the user's own rows, each (m,) in the order of the block."""
    quiet = silence.build(block)
    past = amounts.past_of(block)
    order = past.line.order
    around = hours.running(block)
    return [
        *(scattered(column, order) for column in (*amounts.build(past), *spell.build(past))),
        *velocity.build(block),
        *quiet,
        *repeat.build(block, quiet[silence.USUAL]),
        *novelty.build(block),
        *odd_hours.build(block, around),
        *population.build(block),
        *hours.build(block, around),
        *joint.build(block),
    ]


def scattered(values: Floats, order: NDArray[np.int64]) -> Floats:
    """`values` (m,) in the order of a line, put back into the order of the block."""
    result = np.empty_like(values)
    result[order] = values
    return result
