"""Which payments depart from their users' pasts, kept for what their merchants' other payments are compared with.

A payment that departs can be told before anything is scored, and has to be: what it tells about its merchant counts
for other users' payments after it. So a run that scores many users first looks at all of them, and a live score keeps
its own row's.
"""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

import scoring
from anomalies import references, round_trip
from anomalies.models import PendingScore
from anomalies.prepared import run
from scoring import Visits
from transactions import history
from transactions.instants import EPOCH, instant
from transactions.pieces import Piece, Wanted, everybody, pieces

SQL = Path(__file__).parent / "sql"
KEEP = (SQL / "departures_keep.sql").read_text()
FORGET = (SQL / "departures_forget.sql").read_text()
COUNTED_SQL = (SQL / "departures_counted.sql").read_text()
# For a row that somebody waits for.
KEEP_ONE = round_trip.Statement(KEEP)
SEEN_ONE = round_trip.Statement((SQL / "departures_seen.sql").read_text().replace("{departed}", COUNTED_SQL))
RECENT = f"{timedelta(microseconds=scoring.DEPARTURES_US) // timedelta(seconds=1)} seconds"


def bring_up_to_date() -> None:
    """Look at the rows that wait to be scored; at all there are where no version like this one has looked before."""
    if references.any_built():
        keep_of([*PendingScore.objects.order_by("user_id").values_list("user_id", "since")])
    else:
        keep_of([(user, EPOCH) for user in everybody()])


def keep_of(wanted: Sequence[Wanted]) -> None:
    """Look at all rows of the users from each one's instant on, and keep which of them depart. Piece by piece."""
    for piece in pieces(wanted):
        past = history.of_users(piece.users, piece.since, until=piece.until, is_keyed=False)
        keep(piece, past, scoring.departing(past.columns, past.wanted))


def keep(piece: Piece, past: history.History, departs: NDArray[np.bool_]) -> None:
    """Keep which of a piece's wanted rows depart, (k,), in the place of what was told before. Two statements."""
    departing = [past.id_of(int(row)) for row in np.flatnonzero(past.wanted)[departs]]
    values = {"users": piece.users, "since": piece.since, "until": piece.until, "departing": departing}
    run(FORGET, values)
    run(KEEP, values)


def keep_one(id: UUID, visits: Visits) -> Visits:  # noqa: A002
    """Keep that a row which was stored just now departs; what it sees of its merchant, with departures. One trip."""
    seen, kept = round_trip.together((SEEN_ONE, KEEP_ONE), _asked_of_one(id, visits))
    round_trip.row(kept)
    return _with(visits, round_trip.texts(seen))


def seen_by(id: UUID, visits: Visits) -> Visits:  # noqa: A002
    """What a stored row sees of its merchant, with departures. One round trip."""
    (seen,) = round_trip.together((SEEN_ONE,), _asked_of_one(id, visits))
    return _with(visits, round_trip.texts(seen))


def _asked_of_one(id: UUID, visits: Visits) -> dict[str, Any]:  # noqa: A002
    # Where nothing is seen, nothing is compared.
    oldest = instant(int(visits.at_us[0])) if len(visits.at_us) else history.END_OF_TIME
    return {"id": id, "oldest": oldest, "departing": f"{{{id}}}", "recent": RECENT}


def _with(visits: Visits, found: list[tuple[str, ...]]) -> Visits:
    ((recent, before),) = found
    return visits.with_departures(int(recent), int(before))
