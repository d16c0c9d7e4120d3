"""Storing rows that are all new, as most are, in one statement."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from django.db import connection, transaction

from transactions.rows import Row

INSERT_ARRAYS = (Path(__file__).with_name("sql") / "insert_arrays.sql").read_text()
# For more, staging is as quick.
MOST_ROWS = 2_000


class _NotAllNew(Exception):
    """Takes back what was inserted."""


def insert_new(rows: Sequence[Row]) -> bool:
    """Store the rows if all of them are new, and say whether they were; if not, nothing is stored. Two statements.

    Raises what the database raises.
    """
    values = {
        "id": _array(row.id.hex for row in rows),
        "user_id": _array(row.user_id.hex for row in rows),
        "amount": _array(str(row.amount) for row in rows),
        "currency": _array(row.currency for row in rows),
        "txn_date": _array(row.txn_date.isoformat() for row in rows),
        # Without quotes, the status "null" would be none.
        "status": _array(f'"{row.status}"' for row in rows),
        "meta_data": _array(_quoted(row.meta_data) for row in rows),
    }
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(INSERT_ARRAYS, values)
            if cursor.rowcount < len(rows):
                raise _NotAllNew
    except _NotAllNew:
        return False
    return True


def _array(elements: Iterable[str]) -> str:
    return "{" + ",".join(elements) + "}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
