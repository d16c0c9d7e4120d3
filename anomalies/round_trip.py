"""Several statements in one round trip, for what somebody waits for: planned once a connection, sent together.

Each way to the database and back makes two processes wait and wake, which costs more than most statements; and a
statement through a cursor takes Python five times as long as through the driver's lower floor. So values go as the
texts and results come as the bytes of the protocol. What fails keeps the statements behind it from being executed.
"""

import re
import select
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import Any, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from django.db import connection
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

Session = psycopg.Connection[Any]
Value = TypeVar("Value")

_PLACE = re.compile(r"%\((\w+)\)s")
# Of the names of our plans.
PREFIX = "trip_"
# What the server says of a plan that it does not have.
LOST = b"26000"
_TEXT, _BINARY = 0, 1
# How values are written. Others, such as arrays, come as their text already.
_WRITTEN: dict[type, Callable[[Any], str]] = {
    UUID: str,
    int: str,
    float: repr,
    Decimal: str,
    datetime: datetime.isoformat,
}
# The names of the statements that each connection has planned.
_planned: WeakKeyDictionary[Any, set[bytes]] = WeakKeyDictionary()


class Statement:
    """SQL with %(name)s for each value. Its results are texts, or `binary`."""

    def __init__(self, sql: str, *, binary: bool = False) -> None:
        self.sql = sql
        self.names = tuple(dict.fromkeys(_PLACE.findall(sql)))
        places = {name: f"${place}" for place, name in enumerate(self.names, start=1)}
        self.text = _PLACE.sub(lambda found: places[found[1]], sql).encode()
        self.name = PREFIX.encode() + blake2b(self.text, digest_size=12).hexdigest().encode()
        self.format = _BINARY if binary else _TEXT

    def written(self, values: Mapping[str, Any]) -> list[bytes | None] | None:
        return [_written(values[name]) for name in self.names] or None


class Unplanned(Statement):
    """One without values that is there when all plans are lost."""


BEGIN = Statement("BEGIN")
KEEP, KEPT = Unplanned("SAVEPOINT round_trip"), Unplanned("RELEASE SAVEPOINT round_trip")
COMMIT = Unplanned("COMMIT")


@lru_cache(maxsize=64)
def command(sql: str) -> Statement:
    """A statement without values."""
    return Statement(sql)


class Meanwhile:
    """Computes something while the server is at work. It may not ask the database, and what it raises `answer` raises.

    It computes again if the statements are sent again.
    """

    def __init__(self, compute: Callable[..., Any]) -> None:
        self._compute = compute
        self._computed: Any = None
        self._error: Exception | None = None

    def __call__(self, *heard: PGresult) -> None:
        try:
            self._computed, self._error = self._compute(*heard), None
        except Exception as error:
            self._error = error

    def answer(self) -> Any:
        """What was computed; None if nothing was."""
        if self._error is not None:
            raise self._error
        return self._computed


class Heard(Meanwhile):
    """Computes something of what one of several statements answers, while those behind it are still executed."""

    def __init__(self, statement: Statement, hear: Callable[[PGresult], Any]) -> None:
        super().__init__(hear)
        self.statement = statement


def together(
    statements: Sequence[Statement], values: Mapping[str, Any], *, meanwhile: Heard | None = None
) -> list[PGresult]:
    """One result for each statement, of which the last ones may have failed: see `row`. One round trip.

    Begins the database transaction if the caller's atomic block has not done so. Raises Django's errors.
    """
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    if connection.queries_logged:
        # As Django's own cursors do: tests count queries, and these are one for whoever waits.
        connection.queries_log.append({"sql": "; ".join(one.sql for one in statements), "time": "0"})
    session = connection.connection
    with connection.wrap_database_errors:
        if session.pgconn.transaction_status == TransactionStatus.INTRANS:
            return _sent_within(session, statements, values, meanwhile)
        found = _sent(session, statements, values, meanwhile)
        if any(map(_is_lost, found)):
            # Nothing but what is sent again can be undone by this.
            session.rollback()
            _planned[session] = _still_planned(session)
            session.rollback()
            found = _sent(session, statements, values, meanwhile)
        return found


def commit(meanwhile: Callable[[], Value]) -> Value:
    """Commit what the caller's outermost atomic block has done, and compute `meanwhile` until the disk has it.

    Nothing but the end of the block may follow. Raises Django's errors, and, when all is committed, what `meanwhile`
    raises.
    """
    computed = Meanwhile(meanwhile)
    with connection.wrap_database_errors:
        (done,) = _sent(connection.connection, (COMMIT,), {}, computed)
    row(done)
    answer: Value = computed.answer()
    return answer


def _sent_within(
    session: Session, statements: Sequence[Statement], values: Mapping[str, Any], meanwhile: Meanwhile | None
) -> list[PGresult]:
    """The same in a transaction that goes on. To look before which plans there are would be a round trip too."""
    # A savepoint that the statements make would go with ours.
    end = () if any(one.sql.startswith("SAVEPOINT") for one in statements) else (KEPT,)
    found = _sent(session, (KEEP, *statements, *end), values, meanwhile)[1 : len(statements) + 1]
    if any(map(_is_lost, found)):
        session.execute("ROLLBACK TO SAVEPOINT round_trip")
        _planned[session] = _still_planned(session)
        found = _sent(session, statements, values, meanwhile)
    return found


def _still_planned(session: Session) -> set[bytes]:
    """Which plans the connection has. After some rollbacks psycopg throws away all, also those that are not its own."""
    names = session.execute("SELECT name FROM pg_prepared_statements WHERE name ^@ %s", [PREFIX]).fetchall()
    return {name.encode() for (name,) in names}


def _is_lost(result: PGresult) -> bool:
    return has_failed(result) and result.error_field(DiagnosticField.SQLSTATE) == LOST


def row(result: PGresult) -> list[bytes | None] | None:
    """The columns of a result's only row; None if there is none. Raises Django's error of what failed."""
    if result.status == ExecStatus.TUPLES_OK:
        return [result.get_value(0, place) for place in range(result.nfields)] if result.ntuples else None
    if has_failed(result):
        with connection.wrap_database_errors:
            raise error_from_result(result)
    return None


def texts(result: PGresult) -> list[tuple[str, ...]]:
    """The rows of a result in texts, none of which is null: such a column is left empty. Raises as `row`."""
    row(result)
    return [
        tuple((result.get_value(place, column) or b"").decode() for column in range(result.nfields))
        for place in range(result.ntuples)
    ]


def has_failed(result: PGresult) -> bool:
    return result.status == ExecStatus.FATAL_ERROR


def _sent(
    session: Session, statements: Sequence[Statement], values: Mapping[str, Any], meanwhile: Meanwhile | None
) -> list[PGresult]:
    low = session.pgconn
    begins = low.transaction_status == TransactionStatus.IDLE and not session.autocommit
    planned = _planned.setdefault(session, set())
    # Each with the name of the statement that it plans, if it does.
    asked: list[bytes | None] = []
    at = -1
    with session.lock:
        low.enter_pipeline_mode()
        try:
            for one in (BEGIN, *statements) if begins else statements:
                if isinstance(one, Unplanned):
                    low.send_query_params(one.text, None)
                    asked.append(None)
                    continue
                if one.name not in planned and one.name not in asked:
                    low.send_prepare(one.name, one.text)
                    asked.append(one.name)
                low.send_query_prepared(one.name, one.written(values), None, one.format)
                asked.append(None)
                if isinstance(meanwhile, Heard) and one is meanwhile.statement:
                    at = len(asked) - 1
                    # Else the server keeps its answers until the end.
                    low.send_flush_request()
            low.pipeline_sync()
            found = _received(low, at, meanwhile)
            low.exit_pipeline_mode()
        except BaseException:
            # Nobody knows what is still on its way: the pool throws such a connection away.
            session.close()
            raise
    answers = list(zip(asked, found, strict=True))
    planned.update(name for name, result in answers if name and result.status == ExecStatus.COMMAND_OK)
    failed = next((result for result in found if result.status == ExecStatus.FATAL_ERROR), None)
    results = [result for name, result in answers if name is None]
    # What was not executed tells the reason.
    told = [failed if failed and one.status == ExecStatus.PIPELINE_ABORTED else one for one in results]
    return told[1:] if begins else told


def _received(low: PGconn, at: int, meanwhile: Meanwhile | None) -> list[PGresult]:
    """The result of each statement that was sent; something is computed of the one `at` that place, or without any."""
    ready = select.poll()
    ready.register(low.socket, select.POLLIN | select.POLLOUT)
    while low.flush():
        ready.poll()
        low.consume_input()
    if meanwhile is not None and at < 0:
        meanwhile()
    ready.modify(low.socket, select.POLLIN)
    found: list[PGresult] = []
    while True:
        while low.is_busy():
            ready.poll()
            low.consume_input()
        result = low.get_result()
        # None comes between two statements.
        if result is not None:
            if result.status == ExecStatus.PIPELINE_SYNC:
                return found
            found.append(result)
            if meanwhile is not None and len(found) - 1 == at:
                meanwhile(result)
        elif low.status == ConnStatus.BAD:
            raise psycopg.OperationalError("the connection was lost")


def _written(value: Any) -> bytes | None:
    if value is None:
        return None
    write = _WRITTEN.get(type(value))
    return value.encode() if write is None else write(value).encode()
