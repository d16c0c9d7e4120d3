"""Storing many rows while they are still being checked, at once into their table, as long as all of them are new."""

from collections import deque
from collections.abc import Iterable, Sequence

import psycopg
from django.db import DatabaseError, connection, transaction

from transactions.lines import COLUMNS

COPY = f"COPY transactions ({', '.join(COLUMNS)}) FROM STDIN"
# What says of a row that it cannot be stored like this, or that another session stores it too.
REFUSALS = (psycopg.IntegrityError, psycopg.DataError, psycopg.errors.DeadlockDetected)
# A known row undoes the work for all, and leaves to vacuum what was written of it: where one was, more may follow.
PAUSES = 10


class _Luck:
    """How often this process will not try, because a row was known lately. Threads may miscount; it is a guess."""

    pauses = 0


def store_new(pieces: Iterable[Sequence[str]]) -> bool:
    """Store the rows, given as COPY's lines, if the database takes all of them; else say False and store nothing.

    PostgreSQL stores each piece while the next is made. All of them are taken, whatever becomes of them. Inside the
    caller's database transaction, which stays usable.
    """
    left = iter(pieces)
    if _Luck.pauses:
        _Luck.pauses -= 1
    elif _copied(left):
        return True
    deque(left, maxlen=0)
    return False


def _copied(pieces: Iterable[Sequence[str]]) -> bool:
    try:
        with (
            transaction.atomic(),
            connection.cursor() as cursor,
            connection.wrap_database_errors,
            cursor.copy(COPY) as copy,
        ):
            for lines in pieces:
                copy.write("".join(sorted(lines)))
    except DatabaseError as error:
        if not isinstance(error.__cause__, REFUSALS):
            raise
        if isinstance(error.__cause__, psycopg.errors.UniqueViolation):
            _Luck.pauses = PAUSES
        return False
    return True
