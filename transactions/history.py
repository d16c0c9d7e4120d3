"""What happened before: users' earlier rows, as the arrays that scoring reads.

Both readers use COPY in its binary form, whose fixed-width rows NumPy takes as they are: a million rows a
second, where a cursor makes half of that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection
from numpy.typing import NDArray

import scoring

# Statuses that say that the money did not move. Others may be added where a payment system has its own words.
FAILED_STATUSES = ["failed", "declined", "rejected", "refused", "error"]
END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)

SQL = Path(__file__).parent / "sql"
OF_USERS = (SQL / "history_of_users.sql").read_text()
UP_TO = (SQL / "history_up_to.sql").read_text()

# https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format": each value follows its length.
HEADER_BYTES = 19
TRAILER_BYTES = 2
RECORD = np.dtype(
    [
        ("fields", ">i2"),
        ("id_bytes", ">i4"),
        ("id", "V16"),
        ("user_bytes", ">i4"),
        ("user", "V16"),
        ("at_bytes", ">i4"),
        ("at", ">i8"),
        ("minor_bytes", ">i4"),
        ("minor", ">i8"),
        ("currency_bytes", ">i4"),
        ("currency", ">u1", 3),
        ("failed_bytes", ">i4"),
        ("failed", "?"),
        ("wanted_bytes", ">i4"),
        ("wanted", "?"),
    ]
)
# PostgreSQL counts microseconds from the year 2000.
YEAR_2000_US = 946_684_800_000_000


@dataclass(frozen=True, slots=True)
class History:
    """Rows of one or more users, sorted by (user, txn_date, id); `wanted` marks the ones to score."""

    ids: NDArray[np.void]
    users: NDArray[np.void]
    wanted: NDArray[np.bool_]
    columns: scoring.Columns

    def __len__(self) -> int:
        return len(self.ids)

    def id_of(self, row: int) -> UUID:
        return UUID(bytes=self.ids[row].tobytes())

    def user_of(self, row: int) -> UUID:
        return UUID(bytes=self.users[row].tobytes())


def up_to(user_id: UUID, txn_date: datetime, id: UUID) -> History:  # noqa: A002
    """The stored transaction `id`, last, after the rows before it that its features may use. One query."""
    records = _copied(
        UP_TO,
        {"user_id": user_id, "at": txn_date, "id": id, "rows": scoring.HISTORY_ROWS},
    )
    return _history(records[::-1])


def of_users(users: Sequence[UUID], since: Sequence[datetime], *, until: datetime = END_OF_TIME) -> History:
    """All rows of `users` at or after each one's `since` and before `until`, wanted, and what goes before them.

    One query; memory and answer grow with the users' rows, so callers hand in users by the batch.
    """
    return _history(
        _copied(
            OF_USERS,
            {"users": list(users), "since": list(since), "until": until, "rows": scoring.HISTORY_ROWS},
        )
    )


def has_later(user_id: UUID, txn_date: datetime, id: UUID) -> bool:  # noqa: A002
    """Whether the user has a row after this one: then this one arrived late. One index probe."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM transactions WHERE user_id = %s AND txn_date >= %s"
            " AND (txn_date > %s OR id > %s))",
            [user_id, txn_date, txn_date, id],
        )
        (found,) = cursor.fetchone()
    return bool(found)


def _copied(query: str, parameters: dict[str, Any]) -> NDArray[np.void]:
    """The rows of `query` as records, read through a binary COPY."""
    statement = f"COPY ({query}) TO STDOUT (FORMAT BINARY)"
    with connection.cursor() as cursor:
        # COPY takes no parameters on the server, and Django's own copy() none at all.
        bound = cursor.mogrify(statement, {**parameters, "failed": FAILED_STATUSES})
        with cursor.copy(bound) as copy:
            data = b"".join(copy)
    rows = (len(data) - HEADER_BYTES - TRAILER_BYTES) // RECORD.itemsize
    return np.frombuffer(data, dtype=RECORD, count=rows, offset=HEADER_BYTES)


def _history(records: NDArray[np.void]) -> History:
    users = records["user"]
    starts = np.ones(len(records), dtype=bool)
    starts[1:] = users[1:] != users[:-1]
    letters = records["currency"].astype(np.int32)
    columns = scoring.Columns(
        user=np.cumsum(starts).astype(np.int64),
        at_us=records["at"].astype(np.int64) + YEAR_2000_US,
        minor=records["minor"].astype(np.int64),
        currency=(letters[:, 0] << 16) | (letters[:, 1] << 8) | letters[:, 2],
        failed=records["failed"].copy(),
    )
    return History(ids=records["id"], users=users, wanted=records["wanted"].copy(), columns=columns)
