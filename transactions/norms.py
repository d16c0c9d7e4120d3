"""Building the references that are due: what was normal, as of the end of a trailing window.

A row is only ever judged by a reference that ended before it. How rare a raw score is, a reference takes from what
the ones before it said of the rows of its window, not from the rows that it has learned from itself. So a backfill
of months gets a reference for each part of them, and one more becomes due as time goes on. They lie close together
at first, because a new server has only days to learn from: the next is due when a quarter of the known span has
passed, but at least a day and at most a week.
"""

import hashlib
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import numpy as np
from django.db import connection, transaction
from django.db.models import Count, Max, Min, QuerySet
from numpy.typing import NDArray

import scoring
from anomalies import model_versions, references
from anomalies.models import ModelVersion
from transactions import departures, history, merchants, pieces
from transactions.instants import EPOCH, microseconds
from transactions.models import Transaction

WINDOW = timedelta(days=28)
SHORTEST_STEP = timedelta(days=1)
LONGEST_STEP = timedelta(days=7)
# Of one in a thousand (score 60) they have seen 150, which fixes its place to 8 %: more rows would cost more time and
# tell little more.
REFERENCE_ROWS = 150_000
# The rows of one pass over the users, which may serve many references: some 400 MB.
SAMPLE_ROWS = 1_000_000
# One user is at most a tenth of what is normal for all.
LARGEST_USER_ROWS = REFERENCE_ROWS // 10
FEWEST_USERS = 500
ROWS_BY_DAY = (Path(__file__).parent / "sql" / "rows_by_day.sql").read_text()
# The name of the lock under which references are built: any number that nothing else uses.
BUILDING = 7_366_101

# Instants and features of rows.
Sampled = tuple[NDArray[np.int64], scoring.Features]

# Which models a reference that ends at an instant is built for.
Asked = Mapping[datetime, Sequence[ModelVersion]]


class Built(NamedTuple):
    """A model's reference of the window that ends at `until`."""

    model: ModelVersion
    until: datetime
    content: scoring.Reference


def build_due(stretches: merchants.Stretches | None = None, *, models: Sequence[ModelVersion] | None = None) -> int:
    """Build every reference that is due and has enough rows behind it; says how many were built.

    stretches: those of the run that goes on with them, and has looked at the departures.
    models: in their order, those that judge; by default, as stored.

    One run at a time builds; another one waits for it, and then finds them there.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [BUILDING])
        asked = _due(model_versions.in_turn() if models is None else models)
        if not asked:
            return 0
        if stretches is not None:
            return _build(asked, stretches)
        departures.bring_up_to_date()
        with merchants.stretches(users=0) as own:
            return _build(asked, own)


def _due(models: Sequence[ModelVersion]) -> Asked:
    span = Transaction.objects.aggregate(first=Min("txn_date"), last=Max("txn_date"))
    if span["first"] is None:
        return {}
    built, asked = references.built(), defaultdict(list)
    for end, model in judging(ladder(span["first"], span["last"]), models):
        if (model.pk, end) not in built:
            asked[end].append(model)
    return asked


def judging(ends: Sequence[datetime], models: Sequence[ModelVersion]) -> Iterator[tuple[datetime, ModelVersion]]:
    """Which model has a reference that ends where: the one that is live then, and one that goes live before the next.

    ends and models (those with a `live_from`) in their order.
    """
    starts = [model.live_from or EPOCH for model in models]
    for model, start, stop in zip(models, starts, [*starts[1:], None], strict=True):
        newest = max(bisect_right(ends, start) - 1, 0)
        yield from ((end, model) for end in ends[newest:] if stop is None or end < stop)


def ladder(first: datetime, last: datetime) -> list[datetime]:
    """The midnights (UTC) up to `last` at which references of data that begins at `first` end."""
    start = first.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    ends = [start + SHORTEST_STEP]
    while ends[-1] <= last:
        quarter = timedelta(days=(ends[-1] - start).days // 4)
        ends.append(ends[-1] + min(max(quarter, SHORTEST_STEP), LONGEST_STEP))
    return ends[:-1]


def _build(asked: Asked, stretches: merchants.Stretches) -> int:
    built = 0
    for model, until, content in fitted(asked, stretches):
        references.save(content, model=model, since=until - WINDOW, until=until)
        built += 1
    return built


def fitted(asked: Asked, stretches: merchants.Stretches) -> Iterator[Built]:
    """References with enough rows, all from one pass over a sample of the users, or a few where ends are many."""
    ends = sorted(asked)
    earlier = references.by_end(since=min(ends) - WINDOW - LONGEST_STEP)
    days = _rows_by_day(min(ends) - WINDOW, max(ends))
    share = _share(ends, days)
    rows_a_day = share * sum(days.values()) / max((max(ends) - min(ends)).days, 1)
    for group in _groups(ends, days=SAMPLE_ROWS / max(rows_a_day, 1)):
        for built in _fitted_group(group, asked, earlier, share, stretches):
            earlier[built.until] = built.content
            yield built
            for end in [end for end in earlier if end < built.until - WINDOW - LONGEST_STEP]:
                del earlier[end]


def _share(ends: Sequence[datetime], days: Mapping[datetime, int]) -> float:
    """The share of the users whose rows make REFERENCE_ROWS in the fullest window."""
    fullest = max(sum(rows for day, rows in days.items() if end - WINDOW <= day < end) for end in ends)
    return REFERENCE_ROWS / max(fullest, 1)


def _rows_by_day(since: datetime, until: datetime) -> Mapping[datetime, int]:
    """Counted, not estimated: a planner that has not looked at the table yet may be wrong by any factor."""
    with connection.cursor() as cursor:
        cursor.execute(ROWS_BY_DAY, {"since": since, "until": until})
        return dict(cursor.fetchall())


def _groups(ends: Sequence[datetime], *, days: float) -> Iterator[Sequence[datetime]]:
    """Consecutive ends whose windows together are about so many days long, at least one window's."""
    start, longest = 0, max(timedelta(days=min(days, 36_500)), 2 * WINDOW)
    for place in range(1, len(ends) + 1):
        if place == len(ends) or ends[place] - ends[start] + WINDOW > longest:
            yield ends[start:place]
            start = place


def _within(since: datetime, until: datetime) -> QuerySet[Transaction]:
    return Transaction.objects.filter(txn_date__gte=since, txn_date__lt=until)


def _fitted_group(
    ends: Sequence[datetime],
    asked: Asked,
    earlier: Mapping[datetime, scoring.Reference],
    share: float,
    stretches: merchants.Stretches,
) -> Iterator[Built]:
    """earlier: by their ends, those that there are already; the caller adds each one built."""
    sample = list(_sampled(min(ends) - WINDOW, max(ends), share, stretches))
    for end in ends if sample else ():
        low, high = microseconds(end - WINDOW), microseconds(end)
        inside = [(at_us >= low) & (at_us < high) for at_us, _ in sample]
        at_us = np.concatenate([at_us[rows] for rows, (at_us, _) in zip(inside, sample, strict=True)])
        if len(at_us) < scoring.MINIMUM_ROWS:
            continue
        features = scoring.join([features.take(rows) for rows, (_, features) in zip(inside, sample, strict=True)])
        turns = _turns(sorted(earlier), end)
        judged = [((at_us >= since) & (at_us < until), earlier[by]) for by, (since, until) in turns]
        for model in asked[end]:
            yield Built(model, end, scoring.Reference.fit(features, model.weights, earlier=judged))


def _turns(ends: Sequence[datetime], until: datetime) -> Iterator[tuple[datetime, tuple[int, int]]]:
    """The earlier ends, and from and to which microsecond of the window up to `until` the reference of each judged."""
    before = [end for end in ends if end < until]
    for end, following in pairwise([*before, until]):
        if following > until - WINDOW:
            yield end, (microseconds(max(end, until - WINDOW)), microseconds(following))


def _sampled(since: datetime, until: datetime, share: float, stretches: merchants.Stretches) -> Iterator[Sampled]:
    """Instants and features of the rows in [since, until) of a fixed share of the users, in pieces."""
    for piece in pieces.pieces([(user, since) for user in _share_of_users(share)], until=until):
        past = history.of_users(piece.users, piece.since, until=piece.until)
        wanted = past.wanted
        if len(piece.users) == 1:
            wanted = _thinned(wanted, _rows_a_window(piece.users[0], since, until))
        yield past.columns.at_us[wanted], stretches.features(past, wanted)


def _rows_a_window(user: UUID, since: datetime, until: datetime) -> int:
    """How many of the user's rows in [since, until) lie in an average window since the first of them."""
    found = _within(since, until).filter(user_id=user).aggregate(rows=Count("id"), first=Min("txn_date"))
    return int(found["rows"] * min(1.0, WINDOW / (until - found["first"])))


def _thinned(wanted: NDArray[np.bool_], rows_a_window: int) -> NDArray[np.bool_]:
    """Every n-th of the wanted rows, so that a window has LARGEST_USER_ROWS of them."""
    thinned = np.zeros_like(wanted)
    thinned[np.flatnonzero(wanted)[:: max(1, -(-rows_a_window // LARGEST_USER_ROWS))]] = True
    return thinned


def _share_of_users(share: float) -> list[UUID]:
    """The users whose digest falls into the share: the same ones on every run, whatever made their ids."""
    everybody = pieces.everybody()
    chosen = [user for user in everybody if _fraction(user) < share]
    return chosen or everybody[:FEWEST_USERS]


def _fraction(user: UUID) -> float:
    return int.from_bytes(hashlib.blake2b(user.bytes, digest_size=4).digest(), "big") / 2**32
