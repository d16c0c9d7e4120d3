"""Histories of any number of users, of any length, in pieces that fit into memory.

A piece is some users' rows in full, or a stretch of one user who has too many for one piece.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

import scoring
from anomalies.prepared import array
from transactions.history import END_OF_TIME

# What one piece reads: some 60 MB of features. It also bounds how much a killed run does again.
ROWS_AT_ONCE = 100_000
FIRST_USERS = 200

SQL = Path(__file__).parent / "sql"
ROWS_OF_USERS = (SQL / "rows_of_users.sql").read_text()
INSTANT_AFTER_ROWS = (SQL / "instant_after_rows.sql").read_text()

USERS = (SQL / "users.sql").read_text()

# A user, and the instant from which on the rows are wanted.
Wanted = tuple[UUID, datetime]


class Piece(NamedTuple):
    """Users with the instant from which on their rows are wanted, up to `until`; what to read next of the last one."""

    wanted: Sequence[Wanted]
    until: datetime
    rest: Wanted | None

    @property
    def users(self) -> list[UUID]:
        return [user for user, _ in self.wanted]

    @property
    def since(self) -> list[datetime]:
        return [since for _, since in self.wanted]


def first(wanted: Sequence[Wanted], *, until: datetime = END_OF_TIME) -> Piece:
    """As many of the users, from the first on, as make one piece; at least a stretch of the first one. Two queries."""
    total, taken = 0, 0
    for rows in counts(wanted, until=until):
        if taken and total + rows > ROWS_AT_ONCE:
            break
        total, taken = total + rows, taken + 1
    # A user's rows before `since` are few, so only the wanted ones can be too many.
    if taken == 1 and total > ROWS_AT_ONCE and (cut := _cut(*wanted[0], until)):
        return Piece(wanted[:1], cut, (wanted[0][0], cut))
    return Piece(wanted[:taken], until, None)


def pieces(wanted: Sequence[Wanted], *, until: datetime = END_OF_TIME) -> Iterator[Piece]:
    """All of the users, piece by piece."""
    left, looked_at = list(wanted), FIRST_USERS
    while left:
        piece = first(left[:looked_at], until=until)
        yield piece
        left = [*([piece.rest] if piece.rest else []), *left[len(piece.wanted) :]]
        # Counting more users than fit is in vain. Where all fitted, more may.
        taken = len(piece.wanted)
        looked_at = 2 * taken if taken == looked_at else taken + taken // 8 + 1


def everybody() -> list[UUID]:
    """Everybody who has a transaction, sorted. The cost follows their number, not the number of rows."""
    with connection.cursor() as cursor:
        cursor.execute(USERS)
        return [user for (user,) in cursor.fetchall()]


def counts(wanted: Sequence[Wanted], *, until: datetime = END_OF_TIME, before: int = scoring.HISTORY_ROWS) -> list[int]:
    """How many rows each user has that are wanted, and at most `before` more before these. One query."""
    users, since = zip(*wanted, strict=True)
    parameters: dict[str, Any] = {
        "users": array(users),
        "since": array(since),
        "until": until,
        "most": ROWS_AT_ONCE + 1,
        "rows": before,
    }
    with connection.cursor() as cursor:
        cursor.execute(ROWS_OF_USERS, parameters)
        return [rows for (rows,) in cursor.fetchall()]


def _cut(user: UUID, since: datetime, until: datetime) -> datetime | None:
    with connection.cursor() as cursor:
        cursor.execute(INSTANT_AFTER_ROWS, {"user": user, "since": since, "rows": ROWS_AT_ONCE})
        (instant,) = cursor.fetchone()
    return None if instant is None or instant >= until else instant
