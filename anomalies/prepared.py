"""Queries that run with every request: planned once a connection, their rows read as bytes.

Django's cursor writes the values into the text of a query, which PostgreSQL then plans anew, and reads text. That is
right for queries that are asked now and then; here it would be as long as the query itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections


def array(values: Iterable[Any]) -> str:
    """The text of an array of ids, instants or numbers, as PostgreSQL reads it.

    Of a list, psycopg asks each element how it is to be written, which takes five times as long.
    """
    return f"{{{','.join(map(str, values))}}}"


def fetch(statement: str, values: Sequence[Any] | Mapping[str, Any], *, prepare: bool = True) -> list[tuple[Any, ...]]:
    """The rows of the query. `prepare` only where one plan suits all values. Raises Django's errors."""
    connection = connections[DEFAULT_DB_ALIAS]  # Not Django's proxy, which looks it up with each use.
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement, values, prepare=prepare, binary=True)
        found = cursor.fetchall()
    if connection.queries_logged:
        # As Django's own cursors do: tests count queries.
        connection.queries_log.append({"sql": statement, "time": "0"})
    return found


def run(statement: str, values: Sequence[Any] | Mapping[str, Any]) -> None:
    """A statement that gives no rows and has one plan for all values. Raises Django's errors."""
    connection = connections[DEFAULT_DB_ALIAS]
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement, values, prepare=True)
    if connection.queries_logged:
        connection.queries_log.append({"sql": statement, "time": "0"})
