"""Building the references that are due: what was normal, as of the end of a trailing window.

A row is only ever judged by a reference that ended before it. So a backfill of months gets a reference for
each part of them, and one more becomes due as time goes on. They lie close together at first, because a new
server has only days to learn from: the next is due when a quarter of the known span has passed, but at least
a day and at most a week.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
from django.db import connection
from django.db.models import Max, Min
from numpy.typing import NDArray

import scoring
from anomalies import references
from anomalies.estimates import estimated_rows
from anomalies.models import Reference
from transactions import history
from transactions.models import Transaction
from transactions.scorer import microseconds

WINDOW = timedelta(days=28)
SHORTEST_STEP = timedelta(days=1)
LONGEST_STEP = timedelta(days=7)
# Enough for the tail up to one in ten thousand, and a bound on the memory that a backfill of years takes.
SAMPLE_ROWS = 1_500_000
USERS_AT_ONCE = 500

USERS = (Path(__file__).parent / "sql" / "users.sql").read_text()


def build_due() -> int:
    """Build every reference that is due and has enough rows behind it; says how many were built."""
    span = Transaction.objects.aggregate(first=Min("txn_date"), last=Max("txn_date"))
    if span["first"] is None:
        return 0
    built = set(Reference.objects.values_list("until", flat=True))
    ends = [end for end in ladder(span["first"], span["last"]) if end not in built]
    return _build(ends) if ends else 0


def ladder(first: datetime, last: datetime) -> list[datetime]:
    """The midnights (UTC) up to `last` at which references of data that begins at `first` end."""
    start = first.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    ends = [start + SHORTEST_STEP]
    while ends[-1] <= last:
        quarter = timedelta(days=(ends[-1] - start).days // 4)
        ends.append(ends[-1] + min(max(quarter, SHORTEST_STEP), LONGEST_STEP))
    return ends[:-1]


def _build(ends: Sequence[datetime]) -> int:
    """References that end at `ends`, all from one pass over a sample of the users."""
    since, until = min(ends) - WINDOW, max(ends)
    at_us, features = _sampled(since, until)
    built = 0
    for end in ends:
        inside = (at_us >= microseconds(end - WINDOW)) & (at_us < microseconds(end))
        try:
            reference = scoring.Reference.fit(features.take(inside))
        except scoring.TooFewRows:
            continue
        references.save(reference, since=end - WINDOW, until=end, rows=int(inside.sum()))
        built += 1
    return built


def _sampled(since: datetime, until: datetime) -> tuple[NDArray[np.int64], scoring.Features]:
    """Instants and features of the rows in [since, until) of a fixed share of the users."""
    expected = estimated_rows(Transaction.objects.filter(txn_date__gte=since, txn_date__lt=until))
    chosen = _share_of_users(SAMPLE_ROWS / max(expected, 1))
    instants: list[NDArray[np.int64]] = []
    parts: list[scoring.Features] = []
    for some in _slices(chosen):
        past = history.of_users(some, [since] * len(some), until=until)
        parts.append(scoring.build(past.columns, past.wanted))
        instants.append(past.columns.at_us[past.wanted])
    return np.concatenate(instants), scoring.join(parts)


def _share_of_users(share: float) -> list[UUID]:
    """The users whose digest falls into the share: the same ones on every run, whatever made their ids."""
    everybody = users()
    chosen = [user for user in everybody if _fraction(user) < share]
    return chosen or everybody[:USERS_AT_ONCE]


def users() -> list[UUID]:
    """Everybody who has a transaction, sorted. The cost follows their number, not the number of rows."""
    with connection.cursor() as cursor:
        cursor.execute(USERS)
        return [user for (user,) in cursor.fetchall()]


def _fraction(user: UUID) -> float:
    return int.from_bytes(hashlib.blake2b(user.bytes, digest_size=4).digest(), "big") / 2**32


def _slices(users: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(users), USERS_AT_ONCE):
        yield users[start : start + USERS_AT_ONCE]
