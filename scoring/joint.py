"""Joint rarity: an amount that is usual and an hour, or a category, that is usual, but not together.

Two-dimensional histograms of the reference, for each currency: amounts, in BINS_PER_DECADE steps of the
logarithm, by hour of the day and by category. The evidence is -log10 of the share of the population in the
row's cell and, by smoothing, in the cells around it. What a user repeats counts once: a row counts in its
cell only if no earlier row of the user lay there in REPEAT_US, so that a cell says how many users pay like
this, and a dozen payments of one stolen card do not make their own cell look usual. Where nobody was seen it
is still more or less strange: a histogram is mixed with PRIOR_PAYMENTS imagined payments whose amount is
independent of the hour or category.
Sources: Goldstein and Dengel 2012 (HBOS), in two dimensions; smoothing by binomial weights.
Limits: a currency with fewer than tails.MINIMUM_VALUES payments in the reference is unknown, and so is a
category that is not among its MOST_CATEGORIES commonest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring import places
from scoring.columns import KEY_BITS, Floats, Ints, by_currency
from scoring.hours import HOURS
from scoring.places import Places
from scoring.tails import MINIMUM_VALUES
from scoring.windows import DAY_US, HOUR_US, NOVELTY_ROWS, Block

NAME = "category"
AT_HOUR, IN_CATEGORY = "amount_at_hour", "amount_in_category"
FACTS = ("amount_bin", "category", "first_at_hour", "first_in_category")

BINS_PER_DECADE = 5
# Lower edges of the bins in hundredths. As integers, because a logarithm may differ in its last bit.
EDGES = np.unique(np.ceil(10.0 ** (np.arange(16 * BINS_PER_DECADE) / BINS_PER_DECADE)).astype(np.int64))
BINS = len(EDGES) + 1
# About the window of a reference: within it, a user counts once in a cell.
REPEAT_US = 28 * DAY_US
MOST_CATEGORIES = 64
PRIOR_PAYMENTS = 1.0
WEIGHTS = np.array([1, 4, 6, 4, 1]) / 16
REACH = len(WEIGHTS) // 2

KEY_MASK = np.int64((1 << KEY_BITS) - 1)
# An odd number without pattern: it spreads categories that differ little over all bits of a cell's key.
SPREAD = np.int64(0x5851F42D4C957F2D)


def build(block: Block) -> list[Floats]:
    """FACTS, each (n,): bin of the amount, key of the category, and 1 where the user is the first time in the cell."""
    columns = block.columns
    amount = np.searchsorted(EDGES, columns.minor, side="right")
    purse = (columns.currency.astype(np.int64) << 7) | amount
    hour = columns.at_us // HOUR_US % HOURS
    known = columns.category != 0
    category = np.where(known, columns.category & KEY_MASK, np.nan)
    return [
        amount.astype(np.float64),
        category,
        first_in(block, (purse << 5) | hour),
        np.where(known, first_in(block, columns.category * SPREAD + purse), np.nan) if known.any() else 0 * category,
    ]


def first_in(block: Block, cell: Ints) -> Floats:
    """(n,) 1 where none of the user's earlier rows in the window lies in the cell, else 0."""
    return (block.previous(cell) < block.users.since(REPEAT_US, NOVELTY_ROWS)).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Histogram:
    """Payments (BINS, k) by bin of the amount and by key; keys (k,) increase.

    circular: the keys are the hours, whose last is next to the first. Categories have no neighbours.
    """

    keys: Floats
    counts: Floats
    circular: bool

    @classmethod
    def fit(cls, amount: Floats, key: Floats, first: Floats, *, circular: bool) -> "Histogram":
        """Of rows (n,) with a known key, each counted as often as `first` says; the commonest keys are kept."""
        if circular:
            keys, column, kept = np.arange(float(HOURS)), key.astype(np.intp), np.arange(HOURS)
        else:
            keys, rows = np.unique(key, return_counts=True)
            column = places.among(keys).up_to(key) - 1
            kept = np.sort(np.argsort(-rows, kind="stable")[:MOST_CATEGORIES])
        cells = np.bincount(amount.astype(np.int64) * len(keys) + column, first, minlength=BINS * len(keys))
        return cls(keys[kept], cells.reshape(BINS, len(keys))[:, kept].astype(np.float64), circular)

    @cached_property
    def unusual(self) -> Floats:
        """(BINS, k) -log10 of the share of payments in each cell and around it."""
        smooth = along_amounts(self.counts)
        if self.circular:
            smooth = around_the_clock(smooth)
        amounts, keys = shares(smooth.sum(axis=1)), shares(smooth.sum(axis=0))
        prior = PRIOR_PAYMENTS * np.outer(amounts, keys)
        return np.asarray(-np.log10((smooth + prior) / (smooth.sum() + PRIOR_PAYMENTS)))

    @cached_property
    def places(self) -> Places:
        return places.among(self.keys)

    @cached_property
    def table(self) -> tuple[Floats, Floats]:
        """The keys and, amount by amount, what is unusual, both with a column of NaN for what is below all keys."""
        unusual = np.pad(self.unusual, ((0, 0), (1, 0)), constant_values=np.nan)
        return np.append(np.nan, self.keys), unusual.ravel()

    @cached_property
    def seen(self) -> float:
        """How many payments there are in all cells."""
        return float(self.counts.sum())

    def value(self, amount: Floats, key: Floats) -> Floats:
        """(n,) -log10 of the share of payments in each row's cell; NaN where the key is unknown."""
        keys, unusual = self.table
        up_to = self.keys.searchsorted(key, side="right") if len(key) < places.MANY else self.places.up_to(key)
        found = unusual.take(amount.astype(np.int64) * len(keys) + up_to)
        return np.where(keys.take(up_to) == key, found, np.nan)

    def as_json(self) -> dict[str, Any]:
        """Without the empty rows at both ends."""
        filled = np.flatnonzero(self.counts.any(axis=1))
        first, last = (int(filled[0]), int(filled[-1])) if len(filled) else (0, -1)
        counts = self.counts[first : last + 1].astype(np.int64).tolist()
        return {"keys": self.keys.tolist(), "first": first, "counts": counts, "circular": self.circular}


Histograms = Mapping[int, Histogram]


def from_json(data: Mapping[str, Any]) -> Histogram:
    keys = np.array(data["keys"], np.float64)
    counts = np.zeros((BINS, len(keys)))
    if data["counts"]:
        counts[data["first"] : data["first"] + len(data["counts"])] = data["counts"]
    return Histogram(keys, counts, bool(data["circular"]))


def fit(amount: Floats, key: Floats, first: Floats, currency: NDArray[np.int32], *, circular: bool) -> Histograms:
    """The histogram of each currency that has enough rows with a known key."""
    result = {}
    for code in np.unique(currency):
        rows = (currency == code) & ~np.isnan(key)
        if rows.sum() >= MINIMUM_VALUES:
            result[int(code)] = Histogram.fit(amount[rows], key[rows], first[rows], circular=circular)
    return result


def value(amount: Floats, key: Floats, currency: NDArray[np.int32], known: Histograms) -> Floats:
    """(n,) -log10 of the share of the currency's payments in each row's cell; NaN where that is unknown."""
    result = np.full(len(amount), np.nan)
    for histogram, rows in by_currency(currency, known):
        result[rows] = histogram.value(amount[rows], key[rows])
    return result


def shares(counts: Floats) -> Floats:
    """(k,) share of each count, by Laplace's rule of succession with one payment for all together."""
    return np.asarray((counts + 1 / len(counts)) / (counts.sum() + 1))


def along_amounts(counts: Floats) -> Floats:
    """Each cell with its neighbours in the amount; what falls off the ends is lost."""
    padded = np.pad(counts, ((REACH, REACH), (0, 0)))
    return np.asarray(sum(weight * padded[i : i + len(counts)] for i, weight in enumerate(WEIGHTS)))


def around_the_clock(counts: Floats) -> Floats:
    """Each cell with its neighbours on the circle of hours."""
    return np.asarray(sum(weight * np.roll(counts, i - REACH, axis=1) for i, weight in enumerate(WEIGHTS)))
