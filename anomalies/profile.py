"""What a user ordinarily does, in a few numbers, from rows that are already read."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import NamedTuple
from uuid import UUID

# Fewer rows say nothing about what is ordinary.
FEWEST_ROWS = 8
# The share of a user's payments that the shown hours hold.
HOURS_SHARE = 0.8
MERCHANTS_SHOWN = 3
HOURS = 24


class Payment(NamedTuple):
    """A stored transaction, as far as a profile and a list of neighbours need it."""

    id: UUID
    txn_date: datetime
    amount: Decimal
    currency: str
    merchant_id: str | None
    status: str


class Amounts(NamedTuple):
    """What a user ordinarily pays in one currency."""

    currency: str
    payments: int
    median: Decimal
    ninth: Decimal  # nine in ten payments are at most this


class Profile(NamedTuple):
    """A user's ordinary behaviour in the rows that were looked at."""

    payments: int
    since: datetime
    currency: str
    median: Decimal
    ninth: Decimal  # nine in ten payments are at most this
    every: timedelta
    from_hour: int
    to_hour: int  # the end of the last hour, 1 to 24
    merchants: list[tuple[str, int]]
    merchant_count: int


def profile(payments: Sequence[Payment]) -> Profile | None:
    """The profile of some payments of one user, in any order; None if they are too few to tell."""
    if len(payments) < FEWEST_ROWS:
        return None
    currency, _times = Counter(one.currency for one in payments).most_common(1)[0]
    ordinary = _amounts(payments, currency)
    first, last = min(one.txn_date for one in payments), max(one.txn_date for one in payments)
    from_hour, to_hour = usual_hours([one.txn_date.astimezone(UTC).hour for one in payments])
    merchants = Counter(one.merchant_id for one in payments if one.merchant_id)
    return Profile(
        payments=len(payments),
        since=first,
        currency=currency,
        median=ordinary.median,
        ninth=ordinary.ninth,
        every=(last - first) / (len(payments) - 1),
        from_hour=from_hour,
        to_hour=to_hour,
        merchants=merchants.most_common(MERCHANTS_SHOWN),
        merchant_count=len(merchants),
    )


def by_currency(payments: Sequence[Payment]) -> list[Amounts]:
    """Of each currency with enough payments to tell, the most used first."""
    counts = Counter(one.currency for one in payments).most_common()
    return [_amounts(payments, currency) for currency, times in counts if times >= FEWEST_ROWS]


def _amounts(payments: Sequence[Payment], currency: str) -> Amounts:
    amounts = sorted(one.amount for one in payments if one.currency == currency)
    return Amounts(
        currency=currency,
        payments=len(amounts),
        median=Decimal(median(amounts)),
        ninth=amounts[min(len(amounts) - 1, len(amounts) * 9 // 10)],
    )


def usual_hours(hours: Sequence[int]) -> tuple[int, int]:
    """The shortest run of hours around the clock that holds most payments: where it begins, where it ends."""
    counts = [hours.count(hour) for hour in range(HOURS)]
    wanted = HOURS_SHARE * len(hours)
    for length in range(1, HOURS):
        runs = [sum(counts[(start + i) % HOURS] for i in range(length)) for start in range(HOURS)]
        if max(runs) >= wanted:
            start = runs.index(max(runs))
            return start, (start + length - 1) % HOURS + 1
    return 0, HOURS
