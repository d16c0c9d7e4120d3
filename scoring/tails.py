"""How rare a value is in a population: a bounded sketch of the upper tail that goes on beyond the data.

Surprise is -log10 of the share of the population at or above a value, ties counted half (mid-ranks), so
that the commonest value of a count is no surprise. Between the kept quantiles it is interpolated. Beyond
q99 the empirical tail saturates, and holds the frauds themselves: there it goes on in a straight line
with the slope from q90 to q99, up to a cap. Where q90 equals q99 there is no slope, and the empirical
tail is all there is, and what lies above it is UNSEEN_SURPRISE.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scoring import places
from scoring.columns import Floats
from scoring.places import Places

# Fewer values than this say nothing about one in a hundred.
MINIMUM_VALUES = 200
# Quantiles kept: the body in steps of a hundredth, the tail in steps of a twentieth of a decade.
KEPT_SURPRISES = np.concatenate((-np.log10(np.linspace(0.995, 0.105, 90)), np.arange(1.0, 7.0, 0.05)))
LARGEST_SURPRISE = 8.0
# The surprise up to which the empirical tail is followed, unless told otherwise: q99.
TRUSTED = 2.0
# What lies above all values of a tail that has no slope: rare, but nobody knows how rare.
UNSEEN_SURPRISE = 3.0


@dataclass(frozen=True, eq=False)
class Tail:
    """values (k,) increasing, surprises (k,) not decreasing: the knots of a straight-line interpolation."""

    values: Floats
    surprises: Floats

    def surprise(self, values: Floats) -> Floats:
        """(n,) -log10 of the share of the population at or above each value; NaN where the value is NaN."""
        if len(values) < places.MANY:
            return np.interp(values, self.values, self.surprises)
        if np.isinf(values).any():
            values = values.clip(self.values[0], self.values[-1])
        lines = self.lines
        place = lines.places.up_to(values)
        # As NumPy's interp and `surprise_of` reckon, to the last bit.
        result = values - lines.start.take(place)
        result *= lines.slope.take(place)
        result += lines.surprise.take(place)
        return result

    def surprise_of(self, value: float) -> float:
        """The surprise of one known value, by the operations of NumPy's interp: a tenth of its time."""
        values, surprises = self.knots
        place = bisect_right(values, value) - 1
        # At a knot there is no slope to take: that to the next one may be infinite.
        if place < 0 or place == len(values) - 1 or values[place] == value:
            return surprises[max(place, 0)]
        slope = (surprises[place + 1] - surprises[place]) / (values[place + 1] - values[place])
        return slope * (value - values[place]) + surprises[place]

    @cached_property
    def lines(self) -> "Lines":
        return Lines.through(self.values, self.surprises)

    @cached_property
    def knots(self) -> tuple[list[float], list[float]]:
        return self.values.tolist(), self.surprises.tolist()

    def value(self, surprise: float) -> float:
        """The value that has this surprise: 2 asks for the 99 % quantile. Every explanation asks for the same few."""
        if surprise not in self._values:
            self._values[surprise] = float(np.interp(surprise, self.surprises, self.values))
        return self._values[surprise]

    @cached_property
    def _values(self) -> dict[float, float]:
        return {}

    def as_json(self) -> dict[str, list[float]]:
        return {"values": self.values.tolist(), "surprises": self.surprises.tolist()}


@dataclass(frozen=True, eq=False, slots=True)
class Lines:
    """The k + 1 pieces of an interpolation between k knots, level before the first of them and after the last.

    start, surprise and slope (k + 1,): where a piece starts, its surprise there, and what it gains from there.
    """

    places: Places
    start: Floats
    surprise: Floats
    slope: Floats

    @classmethod
    def through(cls, values: Floats, surprises: Floats) -> "Lines":
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            slope = np.diff(surprises) / np.diff(values)
        # It is infinite where two knots are next to each other among the smallest floats: nothing lies between them.
        slope[~np.isfinite(slope)] = 0
        start, surprise = (np.append(knots[0], knots) for knots in (values, surprises))
        return cls(places.among(values), start, surprise, np.concatenate(((0.0,), slope, (0.0,))))


@dataclass(frozen=True, eq=False, slots=True)
class Knots:
    """The knots of several tails, one after the other: those of tail i lie from start[i] to before start[i + 1]."""

    start: NDArray[np.int64]
    values: Floats
    surprises: Floats

    @classmethod
    def of(cls, some: Sequence[Tail | None]) -> "Knots":
        """Of each tail; of what has none there are no knots."""
        found = [(tail.values, tail.surprises) if tail else (NO_KNOTS, NO_KNOTS) for tail in some]
        values, surprises = (np.concatenate(columns) for columns in zip(*found, strict=True))
        return cls(np.cumsum([0, *(len(own) for own, _ in found)]), values, surprises)


NO_KNOTS = np.zeros(0)


def known_or_0(values: Floats) -> Floats:
    """The values, 0 where they are NaN. A quarter of the cost of NumPy's nan_to_num, which one row feels."""
    return np.where(np.isnan(values), 0.0, values)


def from_json(data: Mapping[str, Sequence[float]]) -> Tail:
    return Tail(np.array(data["values"], np.float64), np.array(data["surprises"], np.float64))


def ranks(values: Floats) -> tuple[Floats, Floats]:
    """Distinct values and the surprise of each by mid-rank. values (n,) not decreasing, without NaN."""
    starts = np.append(0, np.flatnonzero(values[1:] != values[:-1]) + 1)
    ends = np.append(starts[1:], len(values))
    return values[starts], -np.log10((len(values) - ends + (ends - starts) / 2) / len(values))


def thinned(distinct: Floats, surprises: Floats) -> tuple[Floats, Floats]:
    """The few of the ranks that are kept: nearest to KEPT_SURPRISES, and the last."""
    nearest = np.searchsorted(surprises, KEPT_SURPRISES).clip(max=len(surprises) - 1)
    kept = np.unique(np.append(nearest, len(surprises) - 1))
    return distinct[kept], surprises[kept]


def fit(values: Floats, *, trusted: float = TRUSTED) -> Tail | None:
    """The tail of the known ones among values (n,); None if they are fewer than MINIMUM_VALUES."""
    ordered = np.sort(values)
    # The unknown comes last.
    ordered = ordered[: ordered.searchsorted(np.nan)]
    return None if len(ordered) < MINIMUM_VALUES else sketch_of_ordered(ordered, trusted=trusted)


def sketch(values: Floats, *, trusted: float = TRUSTED, least_slope: float = 0.0) -> Tail:
    """As sketch_of_ordered, of values in any order."""
    return sketch_of_ordered(np.sort(values), trusted=trusted, least_slope=least_slope)


def sketch_of_ordered(values: Floats, *, trusted: float, least_slope: float = 0.0) -> Tail:
    """The tail of values (n,), n > 0, all known and not decreasing.

    trusted: the surprise up to which the empirical tail is followed, 2 for q99; beyond it the slope of
    the decade below `trusted` (at 2, that from q90 to q99) is continued up to LARGEST_SURPRISE. Infinity
    follows the data to their end.
    least_slope: what the values gain in a decade at least, where they are continued.
    """
    knots, levels = thinned(*ranks(values))
    start, end = np.interp((trusted - 1, trusted), levels, knots)
    if levels[-1] < trusted or not end > start:
        unseen = max(float(levels[-1]), UNSEEN_SURPRISE)
        return Tail(np.append(knots, np.nextafter(knots[-1], np.inf)), np.append(levels, unseen))
    below = levels < trusted
    last = end + (LARGEST_SURPRISE - trusted) * max(end - start, least_slope)
    return Tail(np.append(knots[below], (end, last)), np.append(levels[below], (trusted, LARGEST_SURPRISE)))
