"""What other users paid at a row's merchant before it: a bounded stretch of payments, whoever reads them.

Live brings the stretch of one row, the batch the payments of all merchants in one line: the same numbers either way,
because only sums of integers are taken, the batch's as differences of running ones, and searches within a stretch.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring import departures
from scoring.columns import Bools, Columns, Ints
from scoring.windows import DAY_US

# A row sees so many payments: two months of a shop with four customers a day.
STRETCH_ROWS = 256
# How far back payments that depart from their users' pasts count as recent: as long as a spell of one user's.
DEPARTURES_US = 14 * DAY_US
# Steps of a decade in which amounts are taken to their logarithm: 5 % each.
STEPS = 48
EDGES = np.unique(np.ceil(10.0 ** (np.arange(16 * STEPS) / STEPS)).astype(np.int64))
# The logarithm, in steps, of the amounts between two edges. Low edges are further apart than a step.
STEP_OF = np.append(0, np.rint(np.log10(EDGES) * STEPS)).astype(np.int64)


class Seen(NamedTuple):
    """The stretch of one row: payments (k, 2), instants and amounts in hundredths, newest first.

    known: whether the row names a merchant; recent, before: of other users' payments there so many depart, as
    Visits.departures counts them.
    """

    payments: Ints
    known: bool
    recent: int = 0
    before: int = 0


@dataclass(frozen=True, eq=False, slots=True)
class Visits:
    """Payments at merchants, and for each of n rows the stretch of them that it sees.

    at_us (k,), each merchant's payments in one currency together and in the order (time, id); steps and squares
    (k + 1,) running sums of the logarithms and of their squares; first, place (n,): a row sees first <= i < place;
    known (n,) whether it names a merchant; departed: which of other users' payments there depart.
    """

    at_us: Ints
    steps: Ints
    squares: Ints
    first: Ints
    place: Ints
    known: Bools
    departed: "Departed | Counted"

    def __len__(self) -> int:
        return len(self.first)

    def part(self, rows: slice) -> "Visits":
        """Some of the n rows, with the payments of all."""
        own = {name: getattr(self, name)[rows] for name in ("first", "place", "known")}
        return replace(self, **own, departed=self.departed.part(rows))

    def since(self, earliest_us: Ints) -> Ints:
        """(n,) place of the first payment of each row's stretch at or after an instant."""
        return found(self.at_us, earliest_us, self.first, self.place)

    def departures(self, rows: NDArray[np.intp], row_us: Ints) -> tuple[Ints, Ints]:
        """Of other users' payments in the stretches of some rows (k,) at instants `row_us` (k,), after each one's first
        instant: how many depart (`departures`) in the last DEPARTURES_US, and before that; each (k,).

        They are counted when they are asked for: hardly a row in twenty needs them.
        """
        # What ties with the oldest payment may be cut off there.
        oldest_us = np.minimum(taken(self.at_us, self.first[rows]) + 1, row_us)
        return self.departed.counted(rows, oldest_us, np.maximum(row_us - DEPARTURES_US, oldest_us), row_us)


def steps_of(minor: Ints) -> Ints:
    """(n,) the logarithm of each amount in hundredths, in whole steps; the same for 0 and 1."""
    return STEP_OF[np.searchsorted(EDGES, minor, side="right")]


def running(steps: Ints) -> tuple[Ints, Ints]:
    """Running sums (k + 1,) of the steps (k,) and of their squares, as Visits takes them."""
    sums, squares = np.zeros(len(steps) + 1, np.int64), np.zeros(len(steps) + 1, np.int64)
    np.cumsum(steps, out=sums[1:])
    np.cumsum(steps * steps, out=squares[1:])
    return sums, squares


def found(at_us: Ints, wanted_us: Ints, low: Ints, high: Ints) -> Ints:
    """(n,) the first i in low <= i < high with at_us[i] >= wanted_us, or high: n binary searches at once.

    at_us (k,) rises within each low to high.
    """
    low, high = low.copy(), high.copy()
    for _ in range(int((high - low).max(initial=0)).bit_length()):
        middle = (low + high) >> 1
        open_ = low < high
        before = open_ & (at_us[np.minimum(middle, len(at_us) - 1)] < wanted_us)
        low = np.where(before, middle + 1, low)
        high = np.where(open_ & ~before, middle, high)
    return low


def within(columns: Columns, wanted: Bools | None = None) -> Visits:
    """The stretches of all rows, or of the `wanted` (n,) ones, where `columns` is everything that happened.

    The rows of one user come in the order of time; where two users' rows tie, that of the first one goes first.
    """
    shop = np.unique(np.stack([columns.merchant, columns.currency.astype(np.int64)]), axis=1, return_inverse=True)[1]
    customer = shop * len(columns) + np.unique(columns.user, return_inverse=True)[1]
    rows = np.arange(len(columns)) if wanted is None else np.flatnonzero(wanted)
    order = np.lexsort((columns.at_us, shop))
    steps, squares = running(steps_of(columns.minor[order]))
    departing = np.flatnonzero(departures.departing(columns))
    departed = Departed(*(placed(columns.at_us[departing], key[departing], key[rows]) for key in (shop, customer)))
    line = placed(columns.at_us, shop, shop[rows])
    return seen(line, steps, squares, departed, columns.at_us[rows], columns.merchant[rows] != 0)


def placed(at_us: Ints, key: Ints, wanted: Ints) -> "Stretch":
    """Payments (k,) by what tells shops or customers apart, and where those with each of the `wanted` keys (n,) lie."""
    order = np.lexsort((at_us, key))
    key = key[order]
    return Stretch(at_us[order], np.searchsorted(key, wanted), np.searchsorted(key, wanted, side="right"))


@dataclass(frozen=True, eq=False, slots=True)
class Stretch:
    """at_us (k,), instants of many shops' payments; those of each of n rows' shop lie from `low` to before `high`."""

    at_us: Ints
    low: Ints
    high: Ints

    def part(self, rows: slice | NDArray[np.intp]) -> "Stretch":
        """Some of the n rows."""
        return Stretch(self.at_us, self.low[rows], self.high[rows])

    def since(self, row_us: Ints) -> Ints:
        """(n,) the first of each row's shop at or after an instant."""
        result, some = self.low.copy(), self.low < self.high
        result[some] = found(self.at_us, row_us[some], self.low[some], self.high[some])
        return result


@dataclass(frozen=True, eq=False, slots=True)
class Departed:
    """Departures at each of n rows' shops, and those of them that are the row's own user's."""

    there: Stretch
    own: Stretch

    def part(self, rows: slice) -> "Departed":
        """Some of the n rows."""
        return Departed(self.there.part(rows), self.own.part(rows))

    def counted(self, rows: NDArray[np.intp], oldest_us: Ints, start_us: Ints, row_us: Ints) -> tuple[Ints, Ints]:
        """As Visits.departures, which has the instants: other users' from `start_us` on, and before that."""
        there, own = self.there.part(rows), self.own.part(rows)
        before = [there.since(at_us) - own.since(at_us) for at_us in (oldest_us, start_us, row_us)]
        # One of his own may have come since the others were counted.
        return np.maximum(before[2] - before[1], 0), np.maximum(before[1] - before[0], 0)


@dataclass(frozen=True, eq=False, slots=True)
class Counted:
    """The same where the database has counted them: recent, before (n,)."""

    recent: Ints
    before: Ints

    def part(self, rows: slice) -> "Counted":
        """Some of the n rows."""
        return Counted(self.recent[rows], self.before[rows])

    def counted(self, rows: NDArray[np.intp], oldest_us: Ints, start_us: Ints, row_us: Ints) -> tuple[Ints, Ints]:  # noqa: ARG002
        """As Departed.counted."""
        return self.recent[rows], self.before[rows]


def taken(at_us: Ints, places: Ints) -> Ints:
    """(n,) the instants (k,) at some places; any of them where a place lies beside them."""
    return at_us[np.clip(places, 0, len(at_us) - 1)] if len(at_us) else np.zeros_like(places)


def seen(line: Stretch, steps: Ints, squares: Ints, departed: Departed, row_us: Ints, known: Bools) -> Visits:
    """The stretches of n rows at instants `row_us`, of all payments and of those that depart."""
    place = np.where(known, line.since(row_us), line.low)
    return Visits(line.at_us, steps, squares, np.maximum(line.low, place - STRETCH_ROWS), place, known, departed)
