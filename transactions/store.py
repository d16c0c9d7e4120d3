"""Writing transactions: each row is stored once, and a row that is there already is never changed."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from django.db import DatabaseError, OperationalError, connection, transaction

from anomalies import round_trip
from anomalies.guard import Guard
from anomalies.prepared import fetch
from anomalies.round_trip import Statement, Talk
from transactions.lines import COLUMNS, Lines, line
from transactions.rows import FIELDS, BadRow, Problem, Row

# Each constraint with the field it guards and what to tell whoever sent the row.
CONSTRAINTS = {
    "amount_is_finite_and_not_negative": Problem(
        "amount", "out_of_range", "The database refused the amount: send 0 or more, below 10^18."
    ),
    "currency_is_three_letters": Problem(
        "currency", "not_a_currency", "The database refused the currency: send three capitals such as EUR."
    ),
    "status_is_a_code": Problem(
        "status", "not_a_status", "The database refused the status: send 1 to 32 of a-z, 0-9 and _, a letter first."
    ),
    "txn_date_is_past_or_within_a_day": Problem(
        "txn_date", "in_the_future", "By the database's clock this is before 1970 or more than 24 hours ahead."
    ),
    "meta_data_is_an_object": Problem("meta_data", "not_an_object", "The database refused meta_data: send an object."),
}
# Two sessions that write the same ids for different users may lock them in different orders.
ATTEMPTS = 3

SQL = Path(__file__).with_name("sql")
STAGE = (SQL / "stage.sql").read_text()
INSERT_STAGED = (SQL / "insert_staged.sql").read_text()
COMPARE_STAGED = (SQL / "compare_staged.sql").read_text()
INSERT_ONE = (SQL / "insert_one.sql").read_text()
INSERT_AND_MARK = (SQL / "insert_and_mark.sql").read_text()
# The lock is a statement of its own: the next one sees what was committed while this one waited.
TURN = Statement("SELECT pg_advisory_xact_lock(%(turn)s), set_config('statement_timeout', %(limit)s, true)")
# Whoever waits for a score does not wait longer for a statement, say for a lock that a migration holds.
TURN_LIMIT_MS = 2_000
INSERT_IN_TURN = (SQL / "insert_in_turn.sql").read_text()
COMPARE_ONE = (SQL / "compare_one.sql").read_text()
COPY = f"COPY staged_transactions (position, again, {', '.join(COLUMNS)}) FROM STDIN"
YEAR_1970 = datetime(1970, 1, 1, tzinfo=UTC)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Outcome(StrEnum):
    CREATED = "created"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class Written(NamedTuple):
    """What became of a row; for a conflict, the fields in which the stored row differs."""

    outcome: Outcome
    fields: tuple[str, ...] = ()


CREATED = Written(Outcome.CREATED)


# What nobody knows of a row just stored but the database: meta_data as its text, merchant_id, received_at.
Stored = tuple[str | None, str | None, datetime]


class RefusedByDatabase(BadRow):
    """The database's constraints refused a row that passed the check, say because the clocks differ.

    `position` is the row's place in the sequence, or None where the database does not tell.
    """

    def __init__(self, problem: Problem, position: int | None) -> None:
        super().__init__([problem])
        self.position = position


class _Deadlock(OperationalError):
    """Two sessions wrote the same ids in different orders, and the database ended ours."""


class _Vanished(OperationalError):
    """A row kept its id from being used, and was gone when we came to compare."""


def write(rows: Sequence[Row]) -> list[Written]:
    """Store the rows, each once, and say in their order what became of them.

    Identity is the id: the same content again is a duplicate, other content (another user, too) a
    conflict, whether the first came earlier in `rows`, in the past or from a concurrent session.
    Runs in the caller's database transaction. Raises RefusedByDatabase if a constraint is broken;
    after that, one row leaves the caller's transaction broken, several leave it as it was before.
    """
    if not rows:
        return []
    if len(rows) == 1:
        with _constraints_told([rows[0].id]):
            return [_write_one(rows[0])]
    return _write_many([row.id for row in rows], [*map(line, rows)])


def write_lines(lines: Lines) -> list[Written]:
    """As `write` several rows."""
    return _write_many(lines.ids, lines.texts)


def write_in_turn(
    row: Row, guard: Guard | None, asked: Sequence[Statement], values: Mapping[str, Any], talk: Talk
) -> Stored | None:
    """Store one row, after waiting for the user's other rows that are just being stored in turn.

    The turn, and the limit of TURN_LIMIT_MS for a statement after it, last until the end of the caller's database
    transaction, which the talk may commit. One round trip: other statements are asked when it is the row's turn, before
    it is stored, and take its fields and `values`; what the talk says comes after it. A row that came late marks its
    user. Returns None if the id was there or the guard says no: then nothing was stored.
    Raises RefusedByDatabase, or what any of the statements raises; after that, the caller's transaction is broken.
    """
    given = row_values(row)
    turn = int.from_bytes(row.user_id.bytes[-8:], "big", signed=True)
    given |= {"turn": turn, "limit": str(TURN_LIMIT_MS), **values}
    if guard is not None:
        given |= {f"guard_{place}": value for place, value in enumerate(guard.values)}
    insert = _insert_in_turn(guard.condition if guard else "true")
    with _constraints_told([row.id]):
        results = round_trip.together((TURN, *asked, insert), given, talk=talk)
        found, *_ = map(round_trip.row, results[len(asked) + 1 :])
    if guard is not None:
        guard.is_met = found is not None
    if found is None:
        return None
    meta_data, merchant_id, received_us = (None if value is None else value.decode() for value in found)
    return meta_data, merchant_id, YEAR_1970 + timedelta(microseconds=int(received_us or 0))


@cache
def _insert_in_turn(condition: str) -> Statement:
    places = count()
    named = re.sub("%s", lambda _: f"%(guard_{next(places)})s", condition)
    return Statement(INSERT_IN_TURN.replace("WHERE true", f"WHERE {named}"))


def write_and_mark(row: Row, guard: Guard | None = None) -> tuple[Any, ...] | None:
    """Store one row and mark its user as waiting to be scored. One round trip, also without a database transaction.

    Returns what `insert_and_mark.sql` gives, None if the id was there or the guard says no: then nothing was done.
    Raises RefusedByDatabase; after that, the caller's database transaction is broken.
    """
    statement, values = INSERT_AND_MARK, [getattr(row, name) for name in FIELDS]
    if guard is not None:
        statement, values = _under(guard.condition), [*values, *guard.values]
    with _constraints_told([row.id]):
        stored = next(iter(fetch(statement, values)), None)
    if guard is not None:
        guard.is_met = stored is not None
    return stored


@cache
def _under(condition: str) -> str:
    return INSERT_AND_MARK.replace("WHERE true", f"WHERE {condition}")


def row_values(row: Row) -> dict[str, Any]:
    """The row's fields by their names."""
    return {name: getattr(row, name) for name in FIELDS}


def _write_one(row: Row) -> Written:
    values = row_values(row)
    with connection.cursor() as cursor:
        for _ in range(ATTEMPTS):
            cursor.execute(INSERT_ONE, values)
            if cursor.rowcount:
                return CREATED
            cursor.execute(COMPARE_ONE, values)
            if found := cursor.fetchone():
                return compared_as(found[0])
    raise _Vanished(row.id)


def _write_many(ids: Sequence[UUID | str], texts: Sequence[str]) -> list[Written]:
    for _ in range(ATTEMPTS - 1):
        with suppress(_Vanished, _Deadlock):
            return _write_staged(ids, texts)
    return _write_staged(ids, texts)


def _write_staged(ids: Sequence[UUID | str], texts: Sequence[str]) -> list[Written]:
    written = [CREATED] * len(ids)
    # The savepoint makes a second attempt possible, and takes back a write that is refused half-way.
    with _constraints_told(ids), transaction.atomic(), connection.cursor() as cursor:
        stage(cursor, ids, texts)
        cursor.execute(INSERT_STAGED)
        present = [position for (position,) in cursor.fetchall()]
        if present:
            cursor.execute(COMPARE_STAGED, {"positions": present})
            compared = dict(cursor.fetchall())
            if len(compared) < len(present):
                raise _Vanished
            for position, fields in compared.items():
                written[position] = compared_as(fields)
    return written


def stage(cursor: Any, ids: Iterable[UUID | str], texts: Iterable[str]) -> None:
    """Put rows into the temporary table `staged_transactions`, each with its position. Nothing is stored.

    `texts` are their lines, as `lines.line` writes them.
    """
    cursor.execute(STAGE)
    with connection.wrap_database_errors, cursor.copy(COPY) as copy:
        copy.write("".join(_placed(ids, texts)))


def _placed(ids: Iterable[UUID | str], texts: Iterable[str]) -> Iterator[str]:
    seen = set()
    for position, (its, text) in enumerate(zip(ids, texts, strict=True)):
        yield f"{position}\t{'t' if its in seen else 'f'}\t{text}"
        seen.add(its)


def compared_as(fields: list[str]) -> Written:
    """What became of a row whose id was there: the stored row differs in `fields`."""
    return Written(Outcome.CONFLICT, tuple(fields)) if fields else Written(Outcome.DUPLICATE)


@contextmanager
def _constraints_told(ids: Sequence[UUID | str]) -> Iterator[None]:
    """The database's refusals as errors of the row, a deadlock as _Deadlock."""
    try:
        yield
    except (DatabaseError, psycopg.Error) as error:
        cause = error if isinstance(error, psycopg.Error) else error.__cause__
        if isinstance(cause, psycopg.errors.DeadlockDetected):
            raise _Deadlock from error
        if isinstance(cause, psycopg.errors.CheckViolation | psycopg.errors.DataError):
            name = cause.diag.constraint_name or ""
            problem = CONSTRAINTS.get(
                name, Problem("", "refused_by_database", f"The database refused it: {cause.diag.message_primary}.")
            )
            raise RefusedByDatabase(problem, _position(ids, cause)) from error
        raise


def _position(ids: Sequence[UUID | str], error: psycopg.Error) -> int | None:
    """Which row it was: the database quotes the one that broke a constraint, its id first."""
    quoted = _UUID.search(error.diag.message_detail or "")
    texts = [str(its) for its in ids]
    return texts.index(quoted[0]) if quoted and quoted[0] in texts else None
