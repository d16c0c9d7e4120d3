"""Storing rows that are all new, as most are, without staging them first."""

from collections.abc import Sequence
from operator import attrgetter

import psycopg
from django.db import connection, transaction

from transactions.rows import Row

COPY = "COPY transactions (id, user_id, amount, currency, txn_date, status, meta_data) FROM STDIN"
# One known row undoes the work for all: in vain it should not have been for many.
MOST_ROWS = 10_000
# That of insert_staged.sql, and for its reasons.
ORDER = attrgetter("user_id", "txn_date", "id")


def store_new(rows: Sequence[Row]) -> bool:
    """Store the rows if all of them are new, and say whether they were; if not, nothing is stored.

    Raises what the database raises.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor, cursor.copy(COPY) as copy:
            copy.write("".join(map(line, sorted(rows, key=ORDER))))
    except psycopg.errors.UniqueViolation:
        return False
    return True


def line(row: Row) -> str:
    """The row in COPY's text format. The law leaves only the backslash to escape, in meta_data."""
    meta_data = row.meta_data.replace("\\", "\\\\")
    return (
        f"{row.id.hex}\t{row.user_id.hex}\t{row.amount}\t{row.currency}\t"
        f"{row.txn_date.isoformat()}\t{row.status}\t{meta_data}\n"
    )
