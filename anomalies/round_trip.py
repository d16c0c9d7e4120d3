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

    def written(self, values: Mapping[str, bytes | None]) -> list[bytes | None] | None:
        return [values[name] for name in self.names] or None


class Unplanned(Statement):
    """One without values that is there when all plans are lost."""


BEGIN = Statement("BEGIN")
KEEP, KEPT = Unplanned("SAVEPOINT round_trip"), Unplanned("RELEASE SAVEPOINT round_trip")
COMMIT = Unplanned("COMMIT")


@lru_cache(maxsize=64)
def command(sql: str) -> Statement:
    """A statement without values."""
    return Statement(sql)


Hear = Callable[[PGresult], object]


class Talk:
    """What is made of answers while their trip is still under way, and what is said because of them before it ends.

    hears: takes the answer of a statement as soon as it is there, while those behind it are executed; reply: says,
    when all of these are heard, which statements follow, with the same values; meanwhile: computes something while the
    server is at work on them. None may ask the database. After a fault of theirs nothing more is computed or said, and
    `check` raises it. They begin anew if the statements are sent again.
    """

    def __init__(
        self,
        hears: Mapping[Statement, Hear] | None = None,
        reply: Callable[[], Sequence[Statement]] = tuple,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        self.hears = hears or {}
        self._reply = reply
        self._meanwhile = meanwhile
        self._error: Exception | None = None

    def begin(self) -> None:
        self._error = None

    def hear(self, hear: Hear, result: PGresult) -> None:
        self._run(lambda: hear(result), None)

    def reply(self) -> Sequence[Statement]:
        return self._run(self._reply, ())

    def meanwhile(self) -> None:
        self._run(self._meanwhile, None)

    def _run(self, compute: Callable[[], Value], otherwise: Value) -> Value:
        if self._error is None:
            try:
                return compute()
            except Exception as error:
                self._error = error
        return otherwise

    def check(self) -> None:
        if self._error is not None:
            raise self._error


def together(statements: Sequence[Statement], values: Mapping[str, Any], *, talk: Talk | None = None) -> list[PGresult]:
    """One result for each statement, and then for what the talk says; the last ones may have failed: see `row`.

    One round trip. Begins the database transaction if the caller's atomic block has not done so; the talk may say
    COMMIT, after which nothing but the end of the outermost block may follow. Raises Django's errors.
    """
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    if connection.queries_logged:
        # As Django's own cursors do: tests count queries, and these are one for whoever waits.
        connection.queries_log.append({"sql": "; ".join(one.sql for one in statements), "time": "0"})
    session, talk = connection.connection, talk or Talk()
    with connection.wrap_database_errors:
        if session.pgconn.transaction_status == TransactionStatus.INTRANS:
            return _sent_within(session, statements, values, talk)
        found = _sent(session, statements, values, talk)
        if any(map(_is_lost, found)):
            # Nothing but what is sent again can be undone by this.
            session.rollback()
            _planned[session] = _still_planned(session)
            session.rollback()
            found = _sent(session, statements, values, talk)
        return found


def _sent_within(
    session: Session, statements: Sequence[Statement], values: Mapping[str, Any], talk: Talk
) -> list[PGresult]:
    """The same in a transaction that goes on. To look before which plans there are would be a round trip too."""
    # A savepoint that the statements make would go with ours.
    end = () if any(one.sql.startswith("SAVEPOINT") for one in statements) else (KEPT,)
    found = _sent(session, (KEEP, *statements, *end), values, talk)
    if any(map(_is_lost, found)):
        session.execute("ROLLBACK TO SAVEPOINT round_trip")
        _planned[session] = _still_planned(session)
        return _sent(session, statements, values, talk)
    behind = 1 + len(statements)
    return found[1:behind] + found[behind + len(end) :]


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


def _sent(session: Session, statements: Sequence[Statement], values: Mapping[str, Any], talk: Talk) -> list[PGresult]:
    low = session.pgconn
    begins = low.transaction_status == TransactionStatus.IDLE and not session.autocommit
    trip = _Trip(low, _planned.setdefault(session, set()), values)
    with session.lock:
        low.enter_pipeline_mode()
        try:
            trip.go((BEGIN, *statements) if begins else statements, talk)
            low.exit_pipeline_mode()
        except BaseException:
            # Nobody knows what is still on its way: the pool throws such a connection away.
            session.close()
            raise
    return trip.results[1:] if begins else trip.results


class _Trip:
    """One way to the server and back, in its pipeline mode."""

    def __init__(self, low: PGconn, planned: set[bytes], values: Mapping[str, Any]) -> None:
        self.low = low
        self.planned = planned
        self.values = _Written(values)
        # Each with the name of the statement that it plans, if it does; and the results so far.
        self.asked: list[bytes | None] = []
        self.found: list[PGresult] = []
        self.hears: dict[int, Hear] = {}
        self.ready = select.poll()
        self.ready.register(low.socket, select.POLLIN)

    def go(self, statements: Sequence[Statement], talk: Talk) -> None:
        talk.begin()
        for one in statements:
            self.ask(one)
            if hear := talk.hears.get(one):
                self.hears[len(self.asked) - 1] = hear
                # Else the server keeps its answers until the end.
                self.low.send_flush_request()
        if self.hears:
            self.flush()
        else:
            self.end(talk)
        self.receive(talk)

    def ask(self, one: Statement) -> None:
        if isinstance(one, Unplanned):
            self.low.send_query_params(one.text, None)
            self.asked.append(None)
            return
        if one.name not in self.planned and one.name not in self.asked:
            self.low.send_prepare(one.name, one.text)
            self.asked.append(one.name)
        self.low.send_query_prepared(one.name, one.written(self.values), None, one.format)
        self.asked.append(None)

    def end(self, talk: Talk) -> None:
        for one in talk.reply():
            self.ask(one)
        self.low.pipeline_sync()
        self.flush()
        talk.meanwhile()

    def flush(self) -> None:
        self.ready.modify(self.low.socket, select.POLLIN | select.POLLOUT)
        while self.low.flush():
            self.ready.poll()
            self.low.consume_input()
        self.ready.modify(self.low.socket, select.POLLIN)

    def receive(self, talk: Talk) -> None:
        low = self.low
        while True:
            while low.is_busy():
                self.ready.poll()
                low.consume_input()
            result = low.get_result()
            # None comes between two statements.
            if result is not None:
                if result.status == ExecStatus.PIPELINE_SYNC:
                    return
                self.found.append(result)
                if hear := self.hears.pop(len(self.found) - 1, None):
                    talk.hear(hear, result)
                    if not self.hears:
                        self.end(talk)
            elif low.status == ConnStatus.BAD:
                raise psycopg.OperationalError("the connection was lost")

    @property
    def results(self) -> list[PGresult]:
        """Of each statement that was sent; those that were not executed tell the reason."""
        answers = list(zip(self.asked, self.found, strict=True))
        self.planned.update(name for name, result in answers if name and result.status == ExecStatus.COMMAND_OK)
        failed = next((result for result in self.found if result.status == ExecStatus.FATAL_ERROR), None)
        return [
            failed if failed and one.status == ExecStatus.PIPELINE_ABORTED else one
            for name, one in answers
            if name is None
        ]


class _Written(dict[str, bytes | None]):
    """Values as they are sent, each written when the first statement takes it."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __missing__(self, name: str) -> bytes | None:
        value = self._values[name]
        if value is None:
            written = None
        else:
            write = _WRITTEN.get(type(value))
            written = value.encode() if write is None else write(value).encode()
        self[name] = written
        return written
