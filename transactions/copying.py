"""Storing many rows while they are still being checked, at once into their table, as long as all of them are new."""

from collections import deque
from collections.abc import Iterable, Iterator

import psycopg
from django.db import DatabaseError, connection, transaction

from anomalies import pending
from transactions.lines import COLUMNS, Lines, Since
from transactions.lines import marks as marks_of

COPY = f"COPY transactions ({', '.join(COLUMNS)}) FROM STDIN"
# What says of a row that it cannot be stored like this, or that another session stores it too.
REFUSALS = (psycopg.IntegrityError, psycopg.DataError, psycopg.errors.DeadlockDetected)
# A known row undoes the work for all, and leaves to vacuum what was written of it: where one was, more may follow.
PAUSES = 10


class _Luck:
    """How often this process will not try, because a row was known lately. Threads may miscount; it is a guess."""

    pauses = 0


def take_new(pieces: Iterable[Lines]) -> bool:
    """Store the rows and mark them as waiting, if the database takes all of them; else say False, and nothing is done.

    PostgreSQL stores each piece while the next is made. All of them are taken, whatever becomes of them. In a database
    transaction of its own, or as a part of the caller's, which stays usable.
    """
    left = iter(pieces)
    if _Luck.pauses:
        _Luck.pauses -= 1
    elif _taken(left):
        return True
    deque(left, maxlen=0)
    return False


def _taken(pieces: Iterator[Lines]) -> bool:
    marks: list[pending.Marks] = []
    try:
        with transaction.atomic():
            _copy(_texts(pieces, marks))
            pending.put(*marks)
    except DatabaseError as error:
        if not isinstance(error.__cause__, REFUSALS):
            raise
        if isinstance(error.__cause__, psycopg.errors.UniqueViolation):
            _Luck.pauses = PAUSES
        return False
    return True


def _copy(texts: Iterable[str]) -> None:
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for text in texts:
            copy.write(text)


def _texts(pieces: Iterable[Lines], marks: list[pending.Marks]) -> Iterator[str]:
    """The pieces' texts. Afterwards `marks` has those of their users, made while PostgreSQL is still at work."""
    since: Since = {}
    for lines in pieces:
        lines.tell(since)
        yield "".join(sorted(lines.texts))
    marks.append(marks_of(since))
