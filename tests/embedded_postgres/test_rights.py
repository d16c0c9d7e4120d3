"""What the application's role may do with the tables that the owner made, tried out on a real server."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from anomaly_server.embedded_postgres import roles
from tests.embedded_postgres import children

Connection = psycopg.Connection[tuple[Any, ...]]
TRANSACTION = """INSERT INTO transactions (id, user_id, amount, currency, txn_date, status)
                 VALUES (%s, %s, 12.34, 'EUR', now(), 'completed')"""
VERDICT = """INSERT INTO verdicts (id, transaction_id, user_id, value, source, note)
             VALUES (%s, %s, %s, 'fraud', 'test', '')"""


@pytest.fixture
def app(installed: Path) -> Iterator[Connection]:
    with children.connect(installed) as connection:
        yield connection


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (n int)",
        "ALTER TABLE transactions ADD COLUMN extra text",
        "DROP TABLE transactions",
        "CREATE INDEX mine ON transactions (amount)",
        "TRUNCATE transactions",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql RETURN 1",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "CREATE DATABASE mine",
    ],
)
def test_the_application_has_no_ddl(app: Connection, statement: str) -> None:
    with pytest.raises(InsufficientPrivilege):
        app.execute(statement)


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("transactions", "status"),
        ("verdicts", "note"),
        ("comments", "text"),
        ("audit_entries", "note"),
        ("django_admin_log", "object_repr"),
        ("django_migrations", "name"),
        ("model_versions", "name"),
    ],
)
def test_what_happened_cannot_be_rewritten(app: Connection, table: str, column: str) -> None:
    names = {"table": sql.Identifier(table), "column": sql.Identifier(column)}
    for statement in ("UPDATE {table} SET {column} = 'x'", "DELETE FROM {table}", "TRUNCATE {table}"):
        with pytest.raises(InsufficientPrivilege):
            app.execute(sql.SQL(statement).format(**names))
    assert app.execute(sql.SQL("SELECT count(*) >= 0 FROM {table}").format(**names)).fetchone() == (True,)


def test_transactions_and_verdicts_can_be_added(app: Connection) -> None:
    transaction, user = uuid.uuid4(), uuid.uuid4()
    app.execute(TRANSACTION, [transaction, user])
    app.execute(TRANSACTION + " ON CONFLICT DO NOTHING", [transaction, user])
    app.execute(VERDICT, [uuid.uuid4(), transaction, user])
    found = app.execute("SELECT count(*) FROM verdicts WHERE transaction_id = %s", [transaction]).fetchone()
    assert found == (1,)


def test_all_other_tables_can_be_worked_with(app: Connection) -> None:
    kept = {
        "transactions", "verdicts", "comments", "audit_entries", "django_admin_log", "django_migrations",
        "model_versions",
    }  # fmt: skip
    lacking = app.execute(
        """SELECT relname, privilege FROM pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
           WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND NOT relname = ANY(%s)
             AND NOT has_table_privilege(oid, privilege)""",
        [list(kept)],
    ).fetchall()
    assert lacking == []


def test_a_model_can_be_made_and_put_live(app: Connection) -> None:
    made = """INSERT INTO model_versions (id, name, weights, state, metrics)
              VALUES (%s, 'other', '{"hour": 2}', 'shadow', '{}')"""
    with app.transaction(force_rollback=True):
        app.execute(made, [uuid.uuid4()])
        app.execute("SELECT FROM model_versions FOR UPDATE")
        app.execute("UPDATE model_versions SET state = 'retired' WHERE state = 'live'")
        app.execute("UPDATE model_versions SET state = 'live', live_from = now() WHERE name = 'other'")
        with pytest.raises(InsufficientPrivilege):
            app.execute("UPDATE model_versions SET weights = '{}'")


def test_a_job_can_be_deferred_fetched_and_finished(app: Connection) -> None:
    """Procrastinate's functions, sequences and triggers, as the worker uses them."""
    app.execute(
        """SELECT procrastinate_defer_jobs_v1(ARRAY[ROW('default', 'probe', 0, NULL, NULL, '{}', NULL)
                  ::procrastinate_job_to_defer_v1])"""
    )
    worker = app.execute("SELECT procrastinate_register_worker_v1()").fetchone()
    assert worker is not None
    found = app.execute("SELECT id FROM procrastinate_fetch_job_v2(NULL, %s)", [worker[0]]).fetchone()
    assert found is not None
    app.execute("SELECT procrastinate_finish_job_v1(%s, 'succeeded', true)", [found[0]])
    left = app.execute("SELECT count(*) FROM procrastinate_jobs WHERE id = %s", [found[0]]).fetchone()
    assert left == (0,)


def test_rows_can_be_staged_in_a_temporary_table(app: Connection) -> None:
    app.execute("CREATE TEMP TABLE staged (LIKE transactions INCLUDING DEFAULTS)")
    assert app.execute("SELECT count(*) FROM staged").fetchone() == (0,)


def test_everything_belongs_to_the_owner(app: Connection) -> None:
    owners = app.execute(
        """SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class
           WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S', 'v')"""
    ).fetchall()
    assert owners == [(roles.OWNER,)]


def test_the_doctor_sees_whether_the_roles_are_separate(installed: Path, manage: children.Managers) -> None:
    def roles_of() -> dict[str, str]:
        told = json.loads(manage(installed, "doctor", "--json").stdout)
        return next(one for one in told["checks"] if one["check"] == "roles")

    assert (roles_of()["level"], roles_of()["do"]) == ("ok", "")
    with children.connect(installed, roles.OWNER) as owner:
        owner.execute("GRANT UPDATE ON transactions TO anomaly_app")
        assert roles_of()["level"] == "error"
        assert "change stored transactions" in roles_of()["says"]
        # As it says.
        assert manage(installed, "migrate", "--verbosity=0").returncode == 0
        assert roles_of()["level"] == "ok"
