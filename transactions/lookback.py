"""One row's lookback: the user's rows before it, and what it sees of its merchant, for a score that somebody waits for.

Two queries in one round trip, whatever the length of the history: the rows that are packed (`packed_rows`) come in one
value, and those that are not, by one range scan, as the records that NumPy takes as they are.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from django.db import connection
from numpy.typing import NDArray
from psycopg.pq.abc import PGresult

import scoring
from anomalies import round_trip
from transactions.history import (
    COUNTED_SQL,
    FAILED_STATUSES,
    NUMBERS_SQL,
    RECENT,
    SQL,
    STRETCH_SQL,
    YEAR_2000_US,
)

SEAL_SQL = (SQL / "packed_seal.sql").read_text()
WHOLE_SQL = (SQL / "packed_whole.sql").read_text().replace("{seal}", SEAL_SQL)
# Up to whole words of eight bytes.
RECORD_SQL = NUMBERS_SQL + "|| '\\x00000000'::bytea"
UP_TO = (SQL / "history_up_to.sql").read_text().replace("{record}", RECORD_SQL).replace("{seal}", SEAL_SQL)
SEEN_SQL = (SQL / "merchant_seen.sql").read_text()
SEEN_SQL = SEEN_SQL.replace("{stretch}", STRETCH_SQL).replace("{departed}", COUNTED_SQL).replace("{whole}", WHOLE_SQL)
STORED_SQL = "SELECT * FROM transactions WHERE id = %(id)s"
GIVEN_SQL = (SQL / "history_given.sql").read_text()

# How packed rows are written: a word for each number of scoring.PACKED, and all rows' words for one of them side
# by side, the oldest first. Records of rows that are not packed come as the same numbers of each, the newest first.
PACKED, RECORDS = np.dtype("<i8"), np.dtype(">i8")
PACKED_NUMBERS = len(scoring.PACKED)
# The last word of a record ends with so many bits that say nothing.
ZEROS = 32
# One row and those before it.
MOST_ROWS = scoring.HISTORY_ROWS + 1
# Where nothing is packed some more are read: what is packed then has enough rows also without its first instant, of
# which some may be missing.
MOST_READ = MOST_ROWS + 63
LIMITS = {
    "most": MOST_READ,
    "visits": scoring.STRETCH_ROWS,
    "recent": RECENT,
    "failed": "{" + ",".join(FAILED_STATUSES) + "}",
}
# Where there is no such row.
NOTHING = (None, None, None, None)
# Where nothing is packed, of the kind of what is.
NONE = np.frombuffer(b"", PACKED).reshape(PACKED_NUMBERS, 0)
MERCHANT = scoring.STACKED.index("merchant")


def _statement(paid: str, *, is_exact: bool = False) -> round_trip.Statement:
    order, is_packed = (" DESC", "false") if is_exact else ("", "true")
    sql = UP_TO.replace("{paid}", paid).replace("{order}", order).replace("{is_packed}", is_packed)
    # Its results in bytes, not as the hexadecimal text of other queries.
    return round_trip.Statement(sql, binary=True)


# Of a row that is stored, and of one that is about to be; and each so that nothing needs to be asked again.
OF_STORED, OF_GIVEN = _statement(STORED_SQL), _statement(GIVEN_SQL)
# What they see of their merchants.
SEEN_BY_STORED, SEEN_BY_GIVEN = (
    round_trip.Statement(SEEN_SQL.replace("{paid}", paid), binary=True) for paid in (STORED_SQL, GIVEN_SQL)
)
EXACTLY = {one: _statement(paid, is_exact=True) for one, paid in ((OF_STORED, STORED_SQL), (OF_GIVEN, GIVEN_SQL))}


class Lookback(NamedTuple):
    """A row, last, after the rows before it that its features may use: rows (8, n), scoring.STACKED.

    The same rows, or somewhat more of them, all that are stored from the instant `since_us` on: the newest (k,
    PACKED_NUMBERS), newest first, that are not packed yet, and packed (PACKED_NUMBERS, m), of which the seal says what
    they were (packed_seal.sql); it is None where there are none.
    """

    rows: NDArray[np.int64]
    newest: NDArray[np.int64]
    packed: NDArray[np.int64]
    since_us: int
    seal: bytes | None

    @property
    def loose(self) -> int:
        return len(self.newest)

    @property
    def numbers(self) -> NDArray[np.int64]:
        """(PACKED_NUMBERS, k + m) all of them, the oldest first."""
        return np.concatenate((self.packed, self.newest[::-1].T), axis=1)


def up_to(user_id: UUID, txn_date: datetime, id: UUID) -> tuple[Lookback, scoring.Seen]:  # noqa: A002
    """That of the stored transaction `id`, and what it sees of its merchant. One round trip."""
    values = {"user_id": user_id, "txn_date": txn_date, "id": id, **limits()}
    own, seen = round_trip.together((OF_STORED, SEEN_BY_STORED), values)
    found = read(own)
    if found is None or not is_whole(found, seen):
        found = read_again(OF_STORED, values)
    return found, read_seen(seen, found)


def limits() -> dict[str, Any]:
    """The values of the statements that are the same for all rows."""
    connection.ensure_connection()
    return _limits(connection.connection.info.server_version // 10_000)


@lru_cache(maxsize=8)
def _limits(server_version: int) -> dict[str, Any]:
    # The layout is a number for what packed rows hold: those of another are not read. Another version of PostgreSQL may
    # hash texts as it likes.
    told = f"{server_version} {NUMBERS_SQL} {FAILED_STATUSES}".encode()
    return {"layout": int.from_bytes(blake2b(told, digest_size=8).digest(), signed=True), **LIMITS}


def read(result: PGresult) -> Lookback | None:
    """What OF_STORED or OF_GIVEN has answered; None where it has to be asked again. Raises Django's error if it failed.

    It goes by the index, in whose order rows of one instant are the other way round: where its limit has cut through
    such rows, others than these count. And where `is_whole` says no of what is read, it has to be asked again, too.
    """
    newest, packed, since_us, seal = _received(result)
    rows, is_tied = scoring.laid(newest, packed)
    if not is_tied:
        return Lookback(rows, newest, packed, since_us, seal)
    if len(newest) == MOST_READ and newest[-1, 0] == newest[MOST_ROWS - 1, 0]:
        return None
    return _in_order(newest, packed, since_us, seal)


def is_whole(found: Lookback, seen: PGresult) -> bool:
    """Whether no row came late and is missing from the packed ones: SEEN_BY_STORED or SEEN_BY_GIVEN, which has answered
    after them, says what is stored in their place. It looks while `begin_last` is computed. Raises as `read`.
    """
    *_, whole = round_trip.row(seen) or NOTHING
    return found.seal is None or found.seal == whole


def read_again(statement: round_trip.Statement, values: Mapping[str, Any]) -> Lookback:
    """The same where `read` says None, or `is_whole` no. One query."""
    (result,) = round_trip.together((EXACTLY[statement],), values)
    return _in_order(*_received(result))


def read_seen(result: PGresult, past: Lookback) -> scoring.Seen:
    """What SEEN_BY_STORED or SEEN_BY_GIVEN has answered of the last row of `past`. Raises as `read`."""
    seen, *departed, _ = round_trip.row(result) or NOTHING
    payments = np.frombuffer(seen or b"", RECORDS).astype(np.int64).reshape(-1, 2)
    payments[:, 0] += YEAR_2000_US
    recent, before = (int.from_bytes(count or b"") for count in departed)
    return scoring.Seen(payments, bool(past.rows[MERCHANT, -1:].any()), recent, before)


def _received(result: PGresult) -> tuple[NDArray[np.int64], NDArray[np.int64], int, bytes | None]:
    """A Lookback without its rows: what the database has sent."""
    records, content, since, seal = round_trip.row(result) or NOTHING
    newest = np.frombuffer(records or b"", RECORDS).astype(np.int64).reshape(-1, PACKED_NUMBERS)
    newest[:, 0] += YEAR_2000_US
    newest[:, -1] >>= ZEROS
    if content and since and len(newest) < MOST_READ:
        packed = np.frombuffer(content, PACKED).reshape(PACKED_NUMBERS, -1)
        return newest, packed, int.from_bytes(since, signed=True) + YEAR_2000_US, seal
    # Of the instant at which the limit has cut some may be missing.
    return newest, NONE, int(newest[-1, 0]) + 1 if len(newest) == MOST_READ else 0, None


def _in_order(newest: NDArray[np.int64], packed: NDArray[np.int64], since_us: int, seal: bytes | None) -> Lookback:
    """With those of one instant in the order of their ids."""
    # They came in that order, while the instants go down; the row itself came first, and is the last.
    order = newest[:, 0].argsort(kind="stable")[::-1]
    newest = newest[np.append(0, order[order != 0])] if len(newest) else newest
    return Lookback(scoring.laid(newest, packed)[0], newest, packed, since_us, seal)
