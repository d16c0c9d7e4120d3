"""A dry run's way of storing: rows are compared with what is stored and with each other, in temporary tables."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from django.db import DatabaseError, InterfaceError, connection, transaction

from transactions import store
from transactions.lines import line
from transactions.rows import Row
from transactions.store import Written

REHEARSE = (Path(__file__).parent.parent / "sql" / "rehearse.sql").read_text()
BEGIN = """
    CREATE TEMP TABLE rehearsed_transactions (
        id uuid PRIMARY KEY, user_id uuid, amount numeric(20, 2), currency text, txn_date timestamptz, status text,
        meta_data jsonb
    )
"""


@contextmanager
def stage() -> Iterator[Callable[[Sequence[Row]], Sequence[Written]]]:
    """A function that answers like `store.write` and stores nothing. Each call is a transaction of its own,
    so that a long rehearsal keeps no lock and holds up no vacuum."""
    with connection.cursor() as cursor:
        cursor.execute(BEGIN)
    try:
        yield _compare
    finally:
        with suppress(DatabaseError, InterfaceError, psycopg.Error), connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS rehearsed_transactions")


def _compare(rows: Sequence[Row]) -> Sequence[Written]:
    written = [store.CREATED] * len(rows)
    with transaction.atomic(), connection.cursor() as cursor:
        store.stage(cursor, [row.id for row in rows], map(line, rows))
        cursor.execute(REHEARSE)
        for position, fields in cursor.fetchall():
            written[position] = store.compared_as(fields)
    return written
