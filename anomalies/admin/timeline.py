"""A user's amounts over time as coordinates; templates/console/timeline.html draws them as SVG.

Coordinates across are percentages, so that it fills any width without being distorted; those down are pixels.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from django.apps import apps

from anomalies.models import Anomaly
from anomalies.profile import FEWEST_ROWS, Payment

# Payments read at most, the newest; points drawn at most beside the anomalies, the largest of their slot.
READ = 2_000
DRAWN = 240
HEIGHT = 150.0
ABOVE, BELOW = 10.0, 6.0
# Room for half a point at both ends, in percent.
SIDE = 1.2
# The band: eight in ten of so many payments before.
BAND_PAYMENTS = 50
BAND = (10, 90)
STEPS = 90
# From this ratio of the largest amount to the usual one on, a linear scale would press all others onto the ground.
LOG_FROM = 12.0
TICKS_ACROSS = 6
ROUND_STEPS = (1, 2, 3, 7, 15, 30, 60, 90, 180, 365)


class Point(NamedTuple):
    """A payment, where it stands, and its score if it is an anomaly."""

    payment: Payment
    x: float
    y: float
    score: float | None
    is_marked: bool


class Step(NamedTuple):
    """What was to be expected for a while: a rectangle, and its amounts."""

    x: float
    width: float
    y: float
    height: float
    low: float
    high: float


class Tick(NamedTuple):
    label: Any
    at: float


class Timeline(NamedTuple):
    """A picture, ready to be drawn; `table` is the same as rows, newest first."""

    since: datetime
    until: datetime
    currency: str
    points: list[Point]
    band: list[Step]
    days: list[Tick]
    amounts: list[Tick]
    is_log: bool
    ratio: float
    payments: int
    not_drawn: int
    elsewhere: int  # payments in other currencies
    height: float = HEIGHT
    ground: float = HEIGHT - BELOW

    @property
    def table(self) -> list[Point]:
        return self.points[::-1]


class Scale(NamedTuple):
    """Amounts to heights."""

    low: float
    high: float
    is_log: bool

    def y(self, amount: float) -> float:
        if self.is_log:
            share = math.log(max(amount, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = amount / self.high
        return round(HEIGHT - BELOW - (HEIGHT - BELOW - ABOVE) * min(share, 1), 1)


def timeline(user_id: UUID, since: datetime, until: datetime, *, currency: str = "") -> Timeline | None:
    """The user's amounts from `since` to before `until`; None if there is no payment. Two queries.

    In the `currency`, by default the most frequent one.
    """
    return draw(read(user_id, until), scores(user_id, since, until), since=since, until=until, currency=currency)


def read(user_id: UUID, until: datetime) -> list[Payment]:
    """The user's payments before then, oldest first: the newest READ of them, for the band starts with earlier ones."""
    rows = apps.get_model("transactions", "Transaction")._default_manager.filter(user_id=user_id, txn_date__lt=until)
    newest = rows.order_by("-txn_date", "id")[:READ].values_list(*Payment._fields)
    return [Payment(*row) for row in newest][::-1]


def scores(user_id: UUID, since: datetime, until: datetime) -> dict[UUID, float]:
    found = Anomaly.objects.filter(user_id=user_id, txn_date__gte=since, txn_date__lt=until)
    return dict(found.order_by("-txn_date")[:READ].values_list("transaction_id", "score"))


def draw(
    payments: Sequence[Payment],
    scores: Mapping[UUID, float],
    *,
    since: datetime,
    until: datetime,
    currency: str = "",
    marked: frozenset[UUID] = frozenset(),
) -> Timeline | None:
    """The picture of payments that were read, oldest first; those before `since` only teach the band.

    `scores` of those that are anomalies. `marked` are those that the page speaks of.
    """
    inside = [one for one in payments if since <= one.txn_date < until]
    if not inside:
        return None
    currency = currency or Counter(one.currency for one in inside).most_common(1)[0][0]
    known = [one for one in payments if one.currency == currency and one.txn_date < until]
    shown = [one for one in inside if one.currency == currency]
    if not shown:
        return None
    edges = bounds(known, since, until)
    scale = scale_of([float(one.amount) for one in shown], [high for *_, high in edges])
    kept = thinned(shown, set(scores) | marked, since, until)
    return Timeline(
        since=since,
        until=until,
        currency=currency,
        points=[
            Point(
                one,
                across(one.txn_date, since, until),
                scale.y(float(one.amount)),
                scores.get(one.id),
                one.id in marked,
            )
            for one in kept
        ],
        band=[_step(scale, *edge, since, until) for edge in edges],
        days=days(since, until),
        amounts=amounts(scale),
        is_log=scale.is_log,
        ratio=scale.high / max(scale.low, 0.01),
        payments=len(shown),
        not_drawn=len(shown) - len(kept),
        elsewhere=len(inside) - len(shown),
    )


def across(at: datetime, since: datetime, until: datetime) -> float:
    return round(SIDE + (100 - 2 * SIDE) * ((at - since) / (until - since)), 2)


def bounds(known: Sequence[Payment], since: datetime, until: datetime) -> list[tuple[datetime, datetime, float, float]]:
    """From when to when, between which amounts: eight in ten of the payments strictly before, a step at a time.

    Steps with too few payments before them have no bounds: unknown is not normal.
    """
    times = [one.txn_date for one in known]
    values = np.array([float(one.amount) for one in known])
    length = (until - since) / STEPS
    found: list[tuple[datetime, datetime, float, float]] = []
    place = 0
    for number in range(STEPS):
        start = since + number * length
        while place < len(times) and times[place] < start:
            place += 1
        if place < FEWEST_ROWS:
            continue
        low, high = np.percentile(values[max(0, place - BAND_PAYMENTS) : place], BAND)
        last = found[-1] if found else None
        if last and last[1] == start and last[2:] == (low, high):
            found[-1] = (last[0], start + length, float(low), float(high))
        else:
            found.append((start, start + length, float(low), float(high)))
    return found


def _step(scale: Scale, start: datetime, end: datetime, low: float, high: float, *window: datetime) -> Step:
    left, right = across(start, *window), across(end, *window)
    top, ground = scale.y(high), scale.y(low)
    return Step(left, round(right - left, 2), top, round(max(ground - top, 1), 1), low, high)


def scale_of(amounts: Sequence[float], highs: Sequence[float]) -> Scale:
    """Linear from nothing; logarithmic where the largest amount would press the usual ones onto the ground."""
    top = max([*amounts, *highs, 0.01])
    usual = float(np.median(amounts))
    if usual > 0 and top / usual >= LOG_FROM:
        least = min(amount for amount in amounts if amount > 0)
        # At most five decades: a cent among thousands would leave no room for what matters.
        return Scale(max(10 ** math.floor(math.log10(least)), top / 1e5), top * 1.25, is_log=True)
    return Scale(0, top * 1.06, is_log=False)


def thinned(payments: Sequence[Payment], kept: set[UUID], since: datetime, until: datetime) -> list[Payment]:
    """All of them if they are few, else the largest of each slot and all in `kept`."""
    if len(payments) <= DRAWN:
        return list(payments)
    largest: dict[int, Payment] = {}
    for one in payments:
        slot = int(DRAWN * ((one.txn_date - since) / (until - since)))
        if slot not in largest or one.amount > largest[slot].amount:
            largest[slot] = one
    chosen = {one.id for one in largest.values()} | kept
    return [one for one in payments if one.id in chosen]


def days(since: datetime, until: datetime) -> list[Tick]:
    """At most TICKS_ACROSS midnights (UTC) at an even distance."""
    span = max((until - since).days, 1)
    step = next((step for step in ROUND_STEPS if span / step <= TICKS_ACROSS), ROUND_STEPS[-1])
    last = (until - timedelta(microseconds=1)).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    back = (last - timedelta(days=step * number) for number in range(TICKS_ACROSS + 1))
    return [Tick(at, across(at, since, until)) for at in back if at >= since][::-1]


def amounts(scale: Scale) -> list[Tick]:
    """Round amounts: decades of a logarithmic scale, halves of a linear one."""
    if scale.is_log:
        decades = range(math.ceil(math.log10(scale.low)), math.floor(math.log10(scale.high)) + 1)
        found = [float(10.0**decade) for decade in decades]
    else:
        step = round_step(scale.high / 3)
        found = [step * number for number in range(int(scale.high / step) + 1)]
    return [Tick(value, scale.y(value)) for value in found]


def round_step(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50 … below or at the value."""
    decade: float = 10.0 ** math.floor(math.log10(value))
    return next(decade * step for step in (5, 2, 1) if decade * step <= value * 1.0000001)
