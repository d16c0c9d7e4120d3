"""Keeps users' newest rows packed, as `lookback` reads them: after an answer, or after a batch has been scored.

Whatever is kept is checked against what is stored when it is kept and each time it is read, so that it needs no lock,
and may be written by several processes in any order.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import numpy as np
from django.utils import timezone
from numpy.typing import NDArray

import scoring
from anomalies.prepared import array, run
from transactions import history, lookback
from transactions.instants import instant, microseconds

# So many rows are looked up beside the packed ones before they are packed too: to look up one costs some
# microseconds, to pack them again as much as a hundred of these.
LOOSE_ROWS = 32
# Of who has not paid for so long, a batch packs nothing: he may never pay again.
ACTIVE = timedelta(days=30)

KEEP = (Path(__file__).parent / "sql" / "packed_rows_keep.sql").read_text()


class Packed(NamedTuple):
    """A user's rows (lookback.PACKED_NUMBERS, n): all that are stored from `since` on."""

    user_id: UUID
    since: datetime
    numbers: NDArray[np.int64]


def keep_read(user_id: UUID, read: lookback.Lookback) -> None:
    """Keep what was read for a live score, of whom LOOSE_ROWS rows or more had to be looked up. One statement."""
    found = newest(user_id, read.numbers, read.since_us)
    if found is not None:
        keep([found])


def of_batch(past: history.History, users: Sequence[UUID]) -> Iterator[Packed]:
    """The newest rows of those users of a batch, in its order, who pay these days and of whom it scored LOOSE_ROWS rows
    or more. The batch has read their rows to the end.
    """
    active_us = microseconds(timezone.now() - ACTIVE)
    starts = np.flatnonzero(np.diff(past.columns.user, prepend=-1)).tolist()
    for place, start, stop in zip(past.places.tolist(), starts, [*starts[1:], len(past)], strict=True):
        scored = int(np.count_nonzero(past.wanted[start:stop]))
        if scored < LOOSE_ROWS or past.columns.at_us[stop - 1] < active_us:
            continue
        first = max(stop - lookback.MOST_READ, start)
        numbers = past.columns.part(first, stop).packed()
        is_whole = first == start and stop - start - scored < scoring.HISTORY_ROWS
        # Of the instant before which nothing was read some rows may be missing.
        found = newest(users[place], numbers, 0 if is_whole else int(numbers[0, 0]) + 1)
        if found is not None:
            yield found


def newest(user_id: UUID, numbers: NDArray[np.int64], since_us: int) -> Packed | None:
    """The newest of a user's rows, whole instants of them, where these are all from `since_us` on; None if those are
    fewer than a later row's features may use.
    """
    at_us = numbers[0]
    if len(at_us) > lookback.MOST_READ:
        since_us = max(since_us, int(at_us[-lookback.MOST_READ - 1]) + 1)
    found = numbers[:, at_us.searchsorted(since_us) :]
    if since_us and found.shape[1] < scoring.HISTORY_ROWS:
        return None
    return Packed(user_id, instant(since_us), found)


def keep(packed: Sequence[Packed]) -> None:
    """Keep them, each unless another row has come in meanwhile. One statement, which locks in the order of users."""
    ordered = sorted(packed, key=lambda one: one.user_id)
    if ordered:
        values = {
            "users": array(one.user_id for one in ordered),
            "since": array(one.since for one in ordered),
            "until": array(instant(int(one.numbers[0, -1])) for one in ordered),
            "rows": array(one.numbers.shape[1] for one in ordered),
            "contents": [one.numbers.astype(lookback.PACKED).tobytes() for one in ordered],
        }
        run(KEEP, {**values, "layout": lookback.limits()["layout"]})
