"""Windows over strictly earlier rows, in integers, so that a sum does not depend on where it began.

Every window is bounded by time and by a number of the user's rows. Two levels are nested: a row's
profile looks at PROFILE_ROWS earlier rows, and each of those at its own PAST_ROWS earlier rows, so a
row depends on HISTORY_ROWS rows and no more. Float sums would differ in the last bits between a whole
history and its end; differences of integer sums do not, even where the running sum wraps around.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from scoring.columns import KEY_BITS, Bools, Columns, Ints

PAST_ROWS = 192
PROFILE_ROWS = 320
HISTORY_ROWS = PAST_ROWS + PROFILE_ROWS
# Whether a key is new needs so many rows, and so does how often it was among them: twice this in all.
NOVELTY_ROWS = HISTORY_ROWS // 2

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
# Rows whose features are built at a time.
BLOCK_ROWS = 32_768
# What a packed number has left for the place of a row in its block.
PLACE_BITS = 64 - KEY_BITS
# Longer silences count as this long on the clock; longer than every window, short enough that the
# clock of a block of rows stays within 63 bits.
LONGEST_GAP_US = 91 * DAY_US

# Larger than every amount and every deviation in half hundredths: the empty places of a window.
EMPTY = np.int64(2**60)
# Rows whose windows are sorted at a time: the matrix stays in the processor's cache.
SORTED_AT_A_TIME = 2048


@dataclass(frozen=True, eq=False)
class Line:
    """Rows in segments (a user's rows, or a user's rows in one currency), each in the order of time.

    order (m,) place of each row in the block; starts (m,) bool, True at the first row of a segment; whole
    says that order is 0, 1, 2 to m - 1, where some things cost less.
    """

    order: Ints
    starts: Bools
    at_us: Ints
    whole: bool = False
    # Bounds asked for before: several groups look at the same windows.
    bounds: dict[tuple[str, int], Ints] = field(default_factory=dict)

    @cached_property
    def index(self) -> Ints:
        return np.arange(len(self.order))

    @cached_property
    def first(self) -> Ints:
        """(m,) index of the first row of each row's segment."""
        return np.maximum.accumulate(np.where(self.starts, self.index, 0))

    @cached_property
    def clock(self) -> Ints:
        """(m,) microseconds that never run backwards: segments follow each other a long gap apart."""
        gaps = np.minimum(np.diff(self.at_us, prepend=self.at_us[:1]), LONGEST_GAP_US)
        gaps[self.starts] = LONGEST_GAP_US
        return np.cumsum(gaps)

    @cached_property
    def places(self) -> Ints:
        """(m,) place of each row in the block, segments further apart than any block is long."""
        return (np.cumsum(self.starts) << 32) + self.order

    def last(self, rows: int) -> Ints:
        """(m,) index of the segment's oldest row among the user's last `rows` rows before each row."""
        if ("last", rows) not in self.bounds:
            self.bounds["last", rows] = (
                np.maximum(self.index - rows, self.first)
                if self.whole
                else self.places.searchsorted(self.places - rows)
            )
        return self.bounds["last", rows]

    def since(self, window_us: int, rows: int = PROFILE_ROWS) -> Ints:
        """(m,) the same among those rows that are no older than `window_us` (< LONGEST_GAP_US)."""
        if ("since", window_us) not in self.bounds:
            self.bounds["since", window_us] = self.clock.searchsorted(self.clock - window_us)
        return np.maximum(self.bounds["since", window_us], self.last(rows))

    def sums(self, values: Ints, oldest: Ints) -> Ints:
        """(m,) sum of `values` from index `oldest` to just before each row."""
        running = np.empty(len(values) + 1, np.int64)
        running[0] = 0
        values.cumsum(out=running[1:])
        return running[:-1] - running[oldest]


@dataclass(frozen=True, eq=False)
class Block:
    """A stretch of rows on which all groups build their features: users' line and purses' line.

    wanted (n,): whose features are asked for; the others only lie in the windows of these.
    """

    columns: Columns
    wanted: Bools

    @cached_property
    def user_starts(self) -> Bools:
        user = self.columns.user
        return np.concatenate((np.ones(min(1, len(user)), np.bool_), user[1:] != user[:-1]))

    @cached_property
    def users(self) -> Line:
        """All rows of a user form a segment."""
        return Line(np.arange(len(self.columns)), self.user_starts, self.columns.at_us, whole=True)

    def previous(self, key: Ints) -> Ints:
        """(n,) place of the user's latest earlier row with the same key, -1 where there is none.

        key (n,), told apart by its low KEY_BITS bits.
        """
        packed, place = self.sorted_by(key)
        same = (packed[1:] ^ packed[:-1]) < (1 << PLACE_BITS)
        earlier = np.where(same & (self.users.first[place[1:]] <= place[:-1]), place[:-1], -1)
        result = np.full(len(key), -1)
        result[place[1:]] = earlier
        return result

    def latest(self, key: Ints, end: Ints) -> Ints:
        """(n,) the same among the rows before index `end` (n,) alone, which never falls and is at most the row."""
        packed, place = self.sorted_by(key)
        # In the order of keys and places what is looked for rises, so that one search begins where the last one ended.
        wanted = packed - (place - end[place]).astype(np.uint64)
        before = packed.searchsorted(wanted) - 1
        found = np.where(before >= 0, place[before], -1)
        same = (packed[before] ^ packed) < (1 << PLACE_BITS)
        result = np.empty_like(place)
        result[place] = np.where(same & (found >= self.users.first[place]), found, -1)
        return result

    def sorted_by(self, key: Ints) -> tuple[NDArray[np.uint64], Ints]:
        """The rows by key and place: (n,) keys with the places below them, which increase, and (n,) the places.

        Sorting numbers is several times faster than sorting places by them.
        """
        if len(key) > 1 << PLACE_BITS:
            raise ValueError(f"a block of {len(key)} rows is too large")
        packed = (key.astype(np.uint64) << np.uint64(PLACE_BITS)) | self.unsigned_index
        packed.sort()
        return packed, (packed & np.uint64((1 << PLACE_BITS) - 1)).astype(np.int64)

    @cached_property
    def unsigned_index(self) -> NDArray[np.uint64]:
        return self.users.index.astype(np.uint64)

    @cached_property
    def purses(self) -> Line:
        """All rows of a user in one currency form a segment."""
        currency = self.columns.currency
        if not np.any((currency[1:] != currency[:-1]) & ~self.user_starts[1:]):
            return self.users
        key = (np.cumsum(self.user_starts) << 32) | currency.astype(np.int64)
        order = np.argsort(key, kind="stable")
        key = key[order]
        starts = np.concatenate((np.ones(1, np.bool_), key[1:] != key[:-1]))
        return Line(order, starts, self.columns.at_us[order])


def blocks(columns: Columns, places: NDArray[np.intp]) -> Iterator[tuple[slice, Block, NDArray[np.intp]]]:
    """The rows of `columns` at some increasing places in blocks, each with the HISTORY_ROWS rows before it.

    Of each block the slice of `places` that it holds, and where these rows are in it.
    """
    done = 0
    while done < len(places):
        start = int(places[done])
        end = int(np.searchsorted(places, start + BLOCK_ROWS))
        oldest, stop = max(start - HISTORY_ROWS, 0), int(places[end - 1]) + 1
        inside = places[done:end] - oldest
        wanted = np.zeros(stop - oldest, np.bool_)
        wanted[inside] = True
        yield slice(done, end), Block(columns.part(oldest, stop), wanted), inside
        done = end


def medians(values: Ints, oldest: Ints, size: int) -> tuple[Ints, Ints]:
    """Median and median absolute deviation of the rows from `oldest` to just before each row.

    values (m,), oldest (m,) with index - size <= oldest <= index. Returns twice the median and four
    times the deviation, both (m,) and exact; of an empty window both are 0.
    """
    median = np.empty_like(values)
    deviation = np.empty_like(values)
    padded = sliding_window_view(np.concatenate((np.full(size, EMPTY), values)), size)
    for start in range(0, len(values), SORTED_AT_A_TIME):
        cut = slice(start, start + SORTED_AT_A_TIME)
        count = np.arange(start, min(cut.stop, len(values))) - oldest[cut]
        window = padded[:-1][cut]
        if count.min() < size:
            window = np.where(np.arange(size) >= size - count[:, None], window, EMPTY)
        median[cut] = middle(window, count)
        distance = np.where(window == EMPTY, EMPTY, np.abs(2 * window - median[cut, None]))
        deviation[cut] = middle(distance, count)
    return median, deviation


def medians_at(values: Ints, oldest: Ints, size: int, rows: NDArray[np.intp]) -> Ints:
    """Twice the median of some rows (k,) alone, as `medians` has it."""
    windows = sliding_window_view(np.concatenate((np.full(size, EMPTY), values)), size)
    count = rows - oldest[rows]
    return middle(np.where(np.arange(size) >= size - count[:, None], windows[rows], EMPTY), count)


def least_before(values: Ints, size: int) -> Ints:
    """(m,) the least of at least `size` values before each one, and EMPTY before the first."""
    least, width = np.concatenate((np.full(1, EMPTY), values[:-1])), 1
    while width < size:
        # Of the last `width` values, and of as many before these.
        least[width:] = np.minimum(least[width:], least[:-width])
        width *= 2
    return least


def middle(window: Ints, count: Ints) -> Ints:
    """Twice the median of the `count` (k,) smallest of each row of `window` (k, size); 0 where count is 0."""
    ordered = np.sort(window, axis=1)
    row = np.arange(len(ordered))
    return np.where(count > 0, ordered[row, np.maximum(count - 1, 0) // 2] + ordered[row, count // 2], 0)
