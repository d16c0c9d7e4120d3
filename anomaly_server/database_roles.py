"""The two roles of the database: the owner, who migrates, and the application, which has no DDL."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.backends.postgresql.base import DatabaseWrapper
from psycopg import sql

from anomaly_server.embedded_postgres import roles

SQL = Path(__file__).parent / "sql"


def is_embedded(connection: DatabaseWrapper) -> bool:
    return bool(connection.settings_dict["ENGINE"] == "anomaly_server.embedded_postgres")


def app_role(connection: DatabaseWrapper) -> str:
    """The role that the application logs in as."""
    return roles.APP if is_embedded(connection) else str(settings.DATABASES[connection.alias]["USER"])


def owner_settings(connection: DatabaseWrapper) -> dict[str, Any]:
    """The connection's settings with the owner's login: same database, no pool.

    With DATABASE_URL and no DATABASE_OWNER_URL one role does both, and nothing but the pool changes.
    """
    ours = connection.settings_dict
    options = {name: value for name, value in ours["OPTIONS"].items() if name != "pool"}
    if is_embedded(connection):
        return {**ours, "USER": roles.OWNER, "OPTIONS": options}
    login = settings.DATABASE_OWNER or {}
    return {
        **ours,
        **{name: login[name] for name in ("USER", "PASSWORD", "HOST", "PORT") if name in login},
        "OPTIONS": {**options, **{name: value for name, value in login.get("OPTIONS", {}).items() if name != "pool"}},
    }


@contextlib.contextmanager
def as_owner(connection: DatabaseWrapper) -> Iterator[None]:
    """Log `connection` in as the owner, and afterwards as before.

    Only this object changes: other threads and the pool keep the application's login.
    """
    if connection.in_atomic_block:
        # A test's transaction, which ends with its connection; tests log in as the owner anyway.
        yield
        return
    ours, owners = connection.settings_dict, owner_settings(connection)
    connection.close()
    connection.settings_dict = owners
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict = ours


def grants(connection: DatabaseWrapper) -> str:
    """The SQL that gives the application its rights on all tables that are there. As the owner."""
    app = app_role(connection)
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        if cursor.fetchone() == (app,):
            # One role does both.
            return ""
        # A role's name cannot be a parameter: psycopg's composition quotes it.
        text = sql.SQL((SQL / "grants.sql").read_text())
        return text.format(app=sql.Identifier(app)).as_string(cursor.cursor)


def grant(connection: DatabaseWrapper) -> None:
    """Give the application its rights. As the owner."""
    statements = grants(connection)
    if statements:
        with connection.cursor() as cursor:
            cursor.execute(statements)
