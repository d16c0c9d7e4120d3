"""A database of its own with made payments for a measurement: any number of rows and users, and gone afterwards."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import psycopg
from django.core.management import call_command
from django.db import connection
from psycopg import sql

from anomaly_server import database_roles

# Loaded without the indexes that order them by user and time, which are made afterwards: an hour of random writes less.
INDEXES = ("ix_user_date_amount_id", "ix_transaction_date")
ROWS = """
    INSERT INTO transactions (id, user_id, amount, currency, txn_date, status, meta_data)
    SELECT
        (substr(noise, 1, 12) || '7' || substr(noise, 14, 3) || '8' || substr(noise, 18, 15))::uuid,
        ('10000000-0000-4000-8000-' || lpad(to_hex(who), 12, '0'))::uuid,
        -- Everybody has a level of spending; one payment in a thousand is ten times as large.
        (exp(random_normal(2 + who %% 4, 0.6)) * CASE WHEN n %% 1000 = 0 THEN 10 ELSE 1 END)::numeric(20, 2),
        (ARRAY['EUR', 'EUR', 'EUR', 'USD'])[1 + who %% 4],
        date_trunc('day', now()) - n * interval '1 day' * %(days)s / %(rows)s,
        CASE WHEN n %% 50 = 0 THEN 'failed' ELSE 'completed' END,
        -- One merchant has 5 %% of all rows.
        jsonb_build_object(
            'merchant_id', CASE WHEN n %% 20 = 0 THEN 'market' ELSE 'm' || (5000 * random() ^ 2)::int END,
            'category', 'c' || who %% 7, 'country', 'DE'
        )
    FROM (
        SELECT n, md5(n::text) AS noise, (%(users)s * random() ^ 1.5)::int AS who
        FROM generate_series(%(from)s::int, %(to)s::int) AS n
    ) AS made
"""
WAITING = """
    INSERT INTO pending_scores (user_id, since)
    SELECT user_id, min(txn_date) FROM transactions GROUP BY user_id
"""
ROWS_AT_ONCE = 1_000_000


@contextmanager
def own_database(name: str) -> Iterator[None]:
    """Django's connection, and the programs started meanwhile, work in an empty, migrated database of that name."""
    # The application may make no database.
    with database_roles.as_owner(connection):  # type: ignore[arg-type]  # any backend, by its stubs
        params = connection.get_connection_params()
        login = {key: str(params[key]) for key in ("dbname", "user", "password", "host", "port") if params.get(key)}
        with _made(name, login):
            yield


@contextmanager
def _made(name: str, login: dict[str, str]) -> Iterator[None]:
    with psycopg.connect(**login, autocommit=True) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            _turn_to({**login, "dbname": name})
            call_command("migrate", verbosity=0)
            yield
        finally:
            connection.close()
            connection.close_pool()  # type: ignore[attr-defined]
            _drop(server, name)


def _drop(server: psycopg.Connection, name: str) -> None:
    dropped = sql.SQL("DROP DATABASE {}").format(sql.Identifier(name))
    try:
        server.execute(dropped + sql.SQL(" WITH (FORCE)"))
    except psycopg.errors.InsufficientPrivilege:
        # The owner may not end an autovacuum by force; without force PostgreSQL asks it to end.
        server.execute(dropped)


def _turn_to(login: dict[str, str]) -> None:
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    # Another process is told by these, and knows only DATABASE_URL.
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    connection.settings_dict.update({ours: login.get(theirs, "") for ours, theirs in names.items()})
    user, password = quote(login.get("user", "")), quote(login.get("password", ""), safe="")
    host, port = quote(login.get("host", ""), safe=""), login.get("port", "")
    os.environ["DATABASE_URL"] = f"postgresql://{user}:{password}@/{login['dbname']}?host={host}&port={port}"
    os.environ.pop("DATABASE_OWNER_URL", None)


def fill(*, rows: int, users: int, days: int) -> None:
    """Store that many payments of `days` days up to midnight, and mark everybody as waiting to be scored."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT setseed(0.5)")
        definitions = []
        for index in INDEXES:
            cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = %s", [index])
            definitions.append(cursor.fetchone()[0])
            cursor.execute(f"DROP INDEX {index}")
        for start in range(1, rows + 1, ROWS_AT_ONCE):
            numbers = {"rows": rows, "users": users, "days": days}
            cursor.execute(ROWS, {**numbers, "from": start, "to": min(start + ROWS_AT_ONCE - 1, rows)})
        for definition in definitions:
            cursor.execute(definition)
        cursor.execute(WAITING)
        cursor.execute("VACUUM (ANALYZE) transactions")
