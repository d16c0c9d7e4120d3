"""Which payments depart from their users' pasts, kept for what their merchants' other payments are compared with.

A payment that departs can be told before anything is scored, and has to be: what it tells about its merchant counts
for other users' payments after it. So a run that scores many users first looks at all of them, and a live score keeps
its own row's.
"""

from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from uuid import UUID

import numpy as np
from django.db import connection
from numpy.typing import NDArray

import scoring
from anomalies import references, round_trip
from anomalies.models import PendingScore
from anomalies.prepared import array, run
from transactions import crew, history
from transactions.crew import Job
from transactions.history import History
from transactions.instants import EPOCH
from transactions.pieces import Piece, Wanted, everybody, pieces

SQL = Path(__file__).parent / "sql"
KEEP = (SQL / "departures_keep.sql").read_text()
FORGET = (SQL / "departures_forget.sql").read_text()
USERS_OF_CURRENCIES = (SQL / "users_of_currencies.sql").read_text()
# For a row that somebody waits for, after it is stored.
KEEP_ONE = round_trip.Statement((SQL / "departures_keep_one.sql").read_text())
# So many users are looked at sooner than another process has begun, or the table has been walked through.
ALONE = 2_000

Stop = Callable[[], bool]


def bring_up_to_date(*, should_stop: Stop = lambda: False, workers: int = 1) -> None:
    """Look at the rows that wait to be scored; at all there are where no version like this one has looked before.

    Of many users as many processes as `workers` share the work, this one among them. `should_stop` is asked between
    pieces; whoever is stopped, or killed, begins anew.
    """
    due = _due()
    if len(due) <= ALONE:
        _keep(due, should_stop)
        return
    mixed = _of_several_currencies()
    jobs = [Job(f"{__name__}.keep_share", (share, workers, mixed)) for share in range(1, workers)]
    with crew.beside(jobs) as helpers:
        _keep_share(0, workers, mixed, should_stop)
        while helpers.at_work:
            if should_stop():
                helpers.stop()
            helpers.listen(crew.POLL_S)
    for share, member in enumerate(helpers.members.values(), start=1):
        if member.exitcode:
            _keep_share(share, workers, mixed, should_stop)


def keep_share(pipe: Connection, share: int, shares: int, mixed: set[UUID]) -> None:
    """Look at a helper's share of those who are due, until the pipe says stop; `mixed` pay in several currencies."""
    _keep_share(share, shares, mixed, pipe.poll)


def _keep_share(share: int, shares: int, mixed: set[UUID], should_stop: Stop) -> None:
    # By their ids: some may come and go while the work is being shared.
    own = [one for one in _due() if one[0].int % shares == share]
    _keep([one for one in own if one[0] not in mixed], should_stop, read=history.bare_of_users)
    _keep([one for one in own if one[0] in mixed], should_stop)


def _keep(wanted: Sequence[Wanted], should_stop: Stop, *, read: Callable[..., History] = history.of_users) -> None:
    for piece in pieces(wanted):
        if should_stop():
            return
        past = read(piece.users, piece.since, until=piece.until)
        keep(piece, past, scoring.departing(past.columns, past.wanted))


def _of_several_currencies() -> set[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(USERS_OF_CURRENCIES)
        return {user for (user,) in cursor.fetchall()}


def _due() -> Sequence[Wanted]:
    if references.any_built():
        return list(PendingScore.objects.order_by("user_id").values_list("user_id", "since"))
    return [(user, EPOCH) for user in everybody()]


def keep(piece: Piece, past: History, departs: NDArray[np.bool_]) -> None:
    """Keep which of a piece's wanted rows depart, (k,), in the place of what was told before. Two statements."""
    departing = [past.id_of(int(row)) for row in np.flatnonzero(past.wanted)[departs]]
    values = {
        "users": array(piece.users),
        "since": array(piece.since),
        "until": piece.until,
        "departing": array(departing),
    }
    run(FORGET, values)
    run(KEEP, values)
