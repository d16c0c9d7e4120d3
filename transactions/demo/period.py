"""The days of the demo, as people live them: local days and hours, and the instants they stand for."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from transactions.demo.vocabulary import HOMES, Bells

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

HOUR = 3600
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Period:
    """Instants `start` to `end`, in seconds since 1970. Day 0 begins at `midnight`; `days` of them touch the period."""

    start: int
    end: int
    midnight: int
    days: int
    # Seconds that the clock of each home is ahead of UTC on each day.
    ahead: Ints

    def instants(self, home: Ints, day: Ints, second: Ints) -> Ints:
        """The instants of seconds of local days. The last may lie outside the period, by as much as a day."""
        return self.midnight + day * DAY + second - self.ahead[home, np.clip(day, 0, self.days - 1)]

    def weekday(self) -> Ints:
        """(days,) 0 is a Monday."""
        return (self.midnight // DAY + 3 + np.arange(self.days)) % 7

    def inside(self, at: Ints) -> Bools:
        """Which instants belong to the period."""
        return (at >= self.start) & (at < self.end)


def period(end: datetime, days: int) -> Period:
    """The given number of days up to `end`."""
    start = end - timedelta(days=days)
    midnight = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    noons = [midnight + timedelta(days=day, hours=12) for day in range(days + 1)]
    ahead = [[_ahead(noon, ZoneInfo(home.zone)) for noon in noons] for home in HOMES]
    return Period(_seconds(start), _seconds(end), _seconds(midnight), days + 1, np.array(ahead, np.int64))


def _ahead(instant: datetime, zone: ZoneInfo) -> int:
    offset = instant.astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def _seconds(instant: datetime) -> int:
    return int(instant.timestamp())


def curve(bells: Bells) -> Floats:
    """(24,) weight of each hour; nobody is fast asleep every night, so no hour weighs nothing."""
    hours = np.arange(24) + 0.5
    weights = np.full(24, 0.004)
    for centre, width, weight in bells:
        away = np.abs((hours - centre + 12) % 24 - 12)
        weights += weight / width * np.exp(-0.5 * (away / width) ** 2)
    return np.asarray(weights / weights.sum())


def choose(cumulative: Floats, line: Ints, draw: Floats) -> Ints:
    """For each of n draws in [0, 1) the column that it falls on in its line of `cumulative` (lines, columns)."""
    lines, columns = cumulative.shape
    flat = (cumulative / cumulative[:, -1:] + np.arange(lines)[:, None]).ravel()
    found = np.searchsorted(flat, line + draw, side="right") - line * columns
    return np.asarray(np.clip(found, 0, columns - 1))
