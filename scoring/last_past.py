"""A user's last row and what lies before it, for `last_row`: the rows, and of those in its currency the amounts.

As `amounts.past_of` and `spell.large_excess` have them for many, with fewer calls.
"""

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scoring import amounts, spell
from scoring.columns import Columns, Ints
from scoring.windows import EMPTY, HISTORY_ROWS, PAST_ROWS, PROFILE_ROWS, Block, middle

# Of how many rows before it a row's median is, where all are in one currency; and the empty places before the first.
COUNTS = np.minimum(np.arange(HISTORY_ROWS + 1), amounts.LAST_PAYMENTS)
NOTHING = np.full(amounts.LAST_PAYMENTS, EMPTY)


@dataclass(frozen=True, eq=False)
class Rows:
    """A user's rows, the last of which is asked about; `here` is its index."""

    columns: Columns

    @cached_property
    def here(self) -> int:
        return len(self.columns) - 1

    @cached_property
    def at_us(self) -> list[int]:
        times: list[int] = self.columns.at_us.tolist()
        return times

    @cached_property
    def block(self) -> Block:
        """The same for the groups' own functions."""
        wanted = np.zeros(len(self.columns), np.bool_)
        wanted[-1] = True
        return Block(self.columns, wanted)

    def last(self, rows: int) -> int:
        """As Line.last."""
        return max(self.here - rows, 0)

    def since(self, window_us: int, rows: int = PROFILE_ROWS) -> int:
        """As Line.since: a silence that its clock cuts short is longer than every window."""
        return max(bisect_left(self.at_us, self.at_us[-1] - window_us), self.last(rows))


@dataclass(frozen=True, eq=False, slots=True)
class Past:
    """The user's rows in the currency, from the first one of the profile on; the last is asked about.

    at_us, doubled, winsorised, median, large (k,) as in amounts.Past and spell; deviation and count of the last row;
    week and spell say where the last 7 and 14 days begin.
    """

    at_us: list[int]
    doubled: Ints
    winsorised: Ints
    median: Ints
    large: Ints
    deviation: int
    count: int
    week: int
    spell: int

    @property
    def payments(self) -> int:
        return len(self.at_us) - 1

    @property
    def span_us(self) -> int:
        return self.at_us[-1] - self.at_us[0]


def past_of(rows: Rows) -> Past:
    """As amounts.past_of and spell.large_excess, for the rows that the last one looks at."""
    columns = rows.columns
    own = columns.currency == columns.currency[-1]
    if own.all():
        minor, at_us, furthest, counts = columns.minor, rows.at_us, rows.last(PROFILE_ROWS), COUNTS
    else:
        minor, at_us, furthest, counts = purse_of(rows, np.flatnonzero(own))
    first, spell_since, week = (
        max(bisect_left(at_us, at_us[-1] - window), furthest)
        for window in (amounts.PROFILE_US, spell.SPELL_US, spell.WEEK_US)
    )
    count = counts[first : len(at_us)]
    median = medians(minor, first, count)
    doubled = 2 * minor[first:]
    limit = amounts.WINSORISED_MEDIANS * median
    return Past(
        at_us[first:],
        doubled,
        np.where(count < amounts.MINIMUM_TO_WINSORISE, doubled, np.minimum(doubled, limit)),
        median,
        np.where(count < amounts.MINIMUM_PAST, 0, np.maximum(doubled - limit, 0)),
        deviation(minor[-1 - int(count[-1]) : -1], int(median[-1])),
        int(count[-1]),
        week - first,
        spell_since - first,
    )


def purse_of(rows: Rows, own: Ints) -> tuple[Ints, list[int], int, Ints]:
    """Of the rows `own` (k,), which are in one currency of several: amounts and instants; the first of the profile;
    and of each row how many of them before it its median is of.
    """
    columns, index = rows.columns, np.arange(len(own))
    oldest = np.maximum(own.searchsorted(own - PAST_ROWS), index - amounts.LAST_PAYMENTS)
    furthest = int(own.searchsorted(rows.here - PROFILE_ROWS))
    return columns.minor[own], columns.at_us[own].tolist(), furthest, index - oldest


def medians(minor: Ints, first: int, count: Ints) -> Ints:
    """Twice the medians of windows.medians, of the rows from `first` on."""
    size, rows = amounts.LAST_PAYMENTS, len(count)
    padded = np.concatenate((NOTHING, minor))
    # A view of the last `size` amounts before each row.
    window: Ints = np.ndarray((rows, size), np.int64, padded, 8 * first, (8, 8))
    # Before the user's first rows lies nothing anyhow.
    if (count != COUNTS[first : first + rows]).any():
        window = np.where(np.arange(size) >= size - count[:, None], window, EMPTY)
    return middle(window, count)


def deviation(window: Ints, median: int) -> int:
    """Four times the median absolute deviation; 0 of nothing."""
    distances = sorted(abs(2 * amount - median) for amount in window.tolist())
    count = len(distances)
    return distances[(count - 1) // 2] + distances[count // 2] if count else 0
