"""Columns of a chart as coordinates; the template draws them as SVG, with no script and no style in the page."""

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

WIDTH = 600.0
HEIGHT = 150.0
# Room for the numbers on the left, the dates below, and half of the last date.
LEFT = 34.0
RIGHT = 12.0
BELOW = 18.0
ABOVE = 8.0
BAR_SHARE = 0.72
# A line so many times as high as the highest column would leave the columns too low to compare.
LIMIT_TALLER = 4


class Part(NamedTuple):
    """One piece of a column."""

    name: str
    times: int
    x: float
    y: float
    width: float
    height: float


class Column(NamedTuple):
    """A day: its pieces from the ground up, and where its slot and its label are."""

    day: date
    counts: Mapping[str, int]
    total: int
    x: float
    width: float
    middle: float
    has_label: bool
    parts: list[Part]


class Line(NamedTuple):
    """A line across at a value."""

    value: int
    y: float


class Chart(NamedTuple):
    """A chart, ready to be drawn."""

    names: Sequence[str]
    columns: list[Column]
    grid: list[Line]
    limit: Line | None
    total: int
    box: str = f"0 0 {WIDTH:.0f} {HEIGHT:.0f}"
    left: float = LEFT
    right: float = WIDTH
    top: float = ABOVE
    ground: float = HEIGHT - BELOW
    foot: float = HEIGHT - 4


def days_up_to(last: date, count: int) -> list[date]:
    return [last - timedelta(days=back) for back in range(count - 1, -1, -1)]


def chart(
    days: Sequence[date],
    counts: Mapping[date, Mapping[str, int]],
    names: Sequence[str],
    *,
    limit: int | None = None,
) -> Chart:
    """Stacked columns of `counts[day][name]`, a day each; `limit` is drawn across if the columns stay visible."""
    totals = [sum(counts.get(day, {}).values()) for day in days]
    tallest = max(totals, default=0)
    top = rounded_up(max(tallest, limit) if limit and limit <= LIMIT_TALLER * tallest else tallest)
    slot = (WIDTH - LEFT - RIGHT) / len(days)
    columns = [
        _column(day, counts.get(day, {}), names, x=LEFT + slot * place, slot=slot, top=top)
        for place, day in enumerate(days)
    ]
    grid = [Line(value, _y(value, top)) for value in sorted({0, top // 2, top})]
    line = Line(limit, _y(limit, top)) if limit is not None and limit <= top else None
    return Chart(names, columns, grid, line, sum(totals))


def rounded_up(value: int) -> int:
    """The next of 2, 4, 6, 10, 20, 40, 60, 100 …: an even top, so that half of it is a whole number."""
    decade: int = 10 ** max(0, math.ceil(math.log10(max(value, 1) / 10)))
    return next(step * decade for step in (2, 4, 6, 10) if step * decade >= value)


def _y(value: float, top: int) -> float:
    return round(HEIGHT - BELOW - (HEIGHT - BELOW - ABOVE) * value / top, 2)


def _column(day: date, counts: Mapping[str, int], names: Sequence[str], *, x: float, slot: float, top: int) -> Column:
    parts, below = [], 0
    for name in names:
        count = counts.get(name, 0)
        if count:
            y = _y(below + count, top)
            width = slot * BAR_SHARE
            left = x + (slot - width) / 2
            parts.append(Part(name, count, round(left, 2), y, round(width, 2), round(_y(below, top) - y, 2)))
        below += count
    return Column(
        day=day,
        counts=counts,
        total=below,
        x=round(x, 2),
        width=round(slot, 2),
        middle=round(x + slot / 2, 2),
        has_label=day.weekday() == 0,
        parts=parts,
    )
