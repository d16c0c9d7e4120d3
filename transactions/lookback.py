"""One row's lookback: the user's rows before it, and what it sees of its merchant, for a score that somebody waits for.

Two queries in one round trip, whatever the length of the history: the rows that are packed (`packed_rows`) come in one
value, and those that are not, by one range scan, as the records that NumPy takes as they are.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Literal, NamedTuple, overload
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
UP_TO = (SQL / "history_up_to.sql").read_text().replace("{record}", NUMBERS_SQL).replace("{seal}", SEAL_SQL)
SEEN_SQL = (SQL / "merchant_seen.sql").read_text()
SEEN_SQL = SEEN_SQL.replace("{stretch}", STRETCH_SQL).replace("{departed}", COUNTED_SQL).replace("{whole}", WHOLE_SQL)
STORED_SQL = "SELECT * FROM transactions WHERE id = %(id)s"
GIVEN_SQL = (SQL / "history_given.sql").read_text()

# What history_numbers.sql packs: at, minor, merchant, category, country, device, and a word of the currency's three
# letters and `failed`, a byte each.
NUMBERS = np.dtype([("numbers", ">i8", 6), ("rest", ">u4")])
# How packed rows are written: a word for each of these numbers of a row, and all rows' words for one of them side by
# side, the oldest first.
PACKED = np.dtype("<i8")
PACKED_NUMBERS = 7
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
    """A row, last, after the rows before it that its features may use.

    numbers (PACKED_NUMBERS, n): the same rows, or somewhat more of them, as they may be packed: all that are stored
    from the instant `since_us` on. The last `loose` of them are not packed yet; the seal says what the others were
    (packed_seal.sql), None where there are none.
    """

    columns: scoring.Columns
    numbers: NDArray[np.int64]
    since_us: int
    loose: int
    seal: bytes | None


def up_to(user_id: UUID, txn_date: datetime, id: UUID) -> tuple[Lookback, scoring.Seen]:  # noqa: A002
    """That of the stored transaction `id`, and what it sees of its merchant. One round trip."""
    values = {"user_id": user_id, "txn_date": txn_date, "id": id, **limits()}
    own, seen = round_trip.together((OF_STORED, SEEN_BY_STORED), values)
    found = read(own)
    if found is None or not is_whole(found, seen):
        found = read_again(OF_STORED, values)
    return found, read_seen(seen, found.columns)


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
    newest, content, since, seal = round_trip.row(result) or NOTHING
    numbers = oldest_first(newest or b"")
    return None if numbers is None else _joined(numbers, content, since, seal)


def is_whole(found: Lookback, seen: PGresult) -> bool:
    """Whether no row came late and is missing from the packed ones: SEEN_BY_STORED or SEEN_BY_GIVEN, which has answered
    after them, says what is stored in their place. It looks while `begin_last` is computed. Raises as `read`.
    """
    *_, whole = round_trip.row(seen) or NOTHING
    return found.seal is None or found.seal == whole


def read_again(statement: round_trip.Statement, values: Mapping[str, Any]) -> Lookback:
    """The same where `read` says None, or `is_whole` no. One query."""
    (result,) = round_trip.together((EXACTLY[statement],), values)
    newest, *packed = round_trip.row(result) or NOTHING
    return _joined(oldest_first(newest or b"", is_exact=True), *packed)


def read_seen(result: PGresult, columns: scoring.Columns) -> scoring.Seen:
    """What SEEN_BY_STORED or SEEN_BY_GIVEN has answered of the last row of `columns`. Raises as `read`."""
    seen, *departed, _ = round_trip.row(result) or NOTHING
    payments = np.frombuffer(seen or b"", ">i8").astype(np.int64).reshape(-1, 2)
    payments[:, 0] += YEAR_2000_US
    recent, before = (int.from_bytes(count or b"") for count in departed)
    return scoring.Seen(payments, bool(columns.merchant[-1:].any()), recent, before)


def _joined(numbers: NDArray[np.int64], content: bytes | None, since: bytes | None, seal: bytes | None) -> Lookback:
    """numbers: those of the rows that were looked up; the others are what the database sends."""
    loose, used = numbers.shape[1], None
    # Of the instant at which the limit has cut some may be missing.
    since_us = int(numbers[0, 0]) + 1 if loose == MOST_READ else 0
    if content and since and loose < MOST_READ:
        packed = np.frombuffer(content, PACKED).reshape(PACKED_NUMBERS, -1)
        numbers, since_us = np.concatenate((packed, numbers), axis=1), int.from_bytes(since, signed=True) + YEAR_2000_US
        used = seal
    return Lookback(columns_of(numbers[:, -MOST_ROWS:]), numbers, since_us, loose, used)


@overload
def oldest_first(records: bytes, *, is_exact: Literal[True]) -> NDArray[np.int64]: ...
@overload
def oldest_first(records: bytes) -> NDArray[np.int64] | None: ...
def oldest_first(records: bytes, *, is_exact: bool = False) -> NDArray[np.int64] | None:
    """A user's records as (PACKED_NUMBERS, n), in the order (txn_date, id); None if it cannot be told which rows of one
    instant are among the last MOST_ROWS.
    """
    read = np.frombuffer(records, NUMBERS)[::-1]
    # All numbers turned at once into this machine's byte order.
    numbers = np.empty((PACKED_NUMBERS, len(read)), np.int64)
    numbers[:-1] = read["numbers"].T
    numbers[-1] = read["rest"]
    at = numbers[0]
    at += YEAR_2000_US
    if len(at) > 1 and (at[1:] == at[:-1]).any():
        if not is_exact and len(at) == MOST_READ and at[0] == at[-MOST_ROWS]:
            return None
        # Rows of one instant came in the order of their ids; the row itself came first, and is the last.
        order = len(at) - 1 - at[::-1].argsort(kind="stable")
        numbers = numbers[:, np.append(order[order != len(at) - 1], len(at) - 1)]
    return numbers


def columns_of(numbers: NDArray[np.int64]) -> scoring.Columns:
    """One user's rows (PACKED_NUMBERS, n) as columns."""
    at_us, minor, merchant, category, country, device, rest = numbers
    return scoring.Columns.unchecked(
        user=np.zeros(len(at_us), np.int64),
        at_us=at_us,
        minor=minor,
        currency=(rest >> 8).astype(np.int32),
        failed=(rest & 1) != 0,
        merchant=merchant,
        category=category,
        country=country,
        device=device,
    )


def numbers_of(columns: scoring.Columns) -> NDArray[np.int64]:
    """(PACKED_NUMBERS, n) one user's rows, as they may be packed."""
    rest = columns.currency.astype(np.int64) << 8 | columns.failed
    keys = (columns.merchant, columns.category, columns.country, columns.device)
    return np.stack((columns.at_us, columns.minor, *keys, rest))
