"""The tables: who owns them, whether all migrations ran, and whether the primary query has its index."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from anomaly_server.doctor.findings import Finding, error, ok, row, warning
from transactions.models import Transaction

INDEX = "ix_user_date_amount_id"
COLUMNS = "(user_id, txn_date DESC, id, amount)"
# Smaller tables are read in whatever way, and rightly so.
BYTES_FOR_AN_INDEX = 1 << 20
MIGRATE = "Run `manage.py migrate`, with DATABASE_OWNER_URL."
ROLES = """
    SELECT current_user, rolsuper, pg_has_role(relowner, 'MEMBER'),
        has_schema_privilege(relnamespace, 'CREATE'),
        has_table_privilege(class.oid, 'UPDATE') OR has_table_privilege(class.oid, 'DELETE')
            OR has_table_privilege(class.oid, 'TRUNCATE')
    FROM pg_class AS class, pg_roles WHERE class.oid = 'transactions'::regclass AND rolname = current_user
"""


def migrations() -> Finding:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        names = ", ".join(f"{one.app_label}.{one.name}" for one, _ in plan[:3])
        more = f" and {len(plan) - 3} more" if len(plan) > 3 else ""
        return error("migrations", f"Not applied: {names}{more}.", MIGRATE)
    return ok("migrations", "All are applied.")


def roles() -> Finding:
    return judge_roles(*row(ROLES))


def judge_roles(name: str, is_superuser: bool, is_owner: bool, may_create: bool, may_change: bool) -> Finding:
    two = "Make a role of the application's own (docs/operations.md, A PostgreSQL of your own)."
    if is_superuser:
        return warning("roles", f"The application logs in as {name}, a superuser, who may do everything.", two)
    if is_owner:
        return warning("roles", f"One role, {name}, owns the tables and serves requests.", two)
    if may_change or may_create:
        what = "change stored transactions" if may_change else "make tables"
        return error("roles", f"The application's role {name} may {what}.", f"{MIGRATE} It takes that right away.")
    return ok("roles", f"{name} may add transactions and not change them; another role owns the tables.")


def index() -> Finding:
    found = row(
        "SELECT max(pg_get_indexdef(indexrelid)), bool_and(indisvalid AND indisready) FROM pg_index"
        " WHERE indrelid = 'transactions'::regclass AND indexrelid = to_regclass(%s)",
        [INDEX],
    )
    return judge_index(*found)


def judge_index(definition: str | None, is_valid: bool | None) -> Finding:
    make = f"As the owner: CREATE INDEX CONCURRENTLY {INDEX} ON transactions {COLUMNS}"
    if definition is None:
        return error("index", f"{INDEX} is missing: lists read whole tables.", make)
    if COLUMNS not in definition:
        return error("index", f"{INDEX} has other columns than {COLUMNS}.", f"Drop it. {make}")
    if not is_valid:
        do = f"As the owner: REINDEX INDEX CONCURRENTLY {INDEX}"
        return error("index", f"{INDEX} is invalid: its making was broken off.", do)
    return ok("index", f"{INDEX} is there and valid.")


def primary_query() -> Finding:
    (user,) = row("SELECT (SELECT user_id FROM transactions LIMIT 1)")
    # Not its rows: nobody has counted them before the first ANALYZE.
    (size,) = row("SELECT pg_relation_size('transactions')")
    if size < BYTES_FOR_AN_INDEX:
        return ok("primary query", "The table is so small that no index is needed yet.")
    return judge_plan(nodes(explained(user)))


def explained(user: UUID | None) -> dict[str, Any]:
    """The plan of the primary query: one user's rows of a year, of some amounts, newest first."""
    until = datetime.now(UTC)
    query = Transaction.objects.filter(
        user_id=user or "10000000-0000-4000-8000-000000000001",
        txn_date__range=(until - timedelta(days=365), until),
        amount__range=(Decimal(1), Decimal(1000)),
    ).order_by("-txn_date", "id")[:100]
    (found,) = json.loads(query.explain(format="json"))
    tree: dict[str, Any] = found["Plan"]
    return tree


def nodes(tree: dict[str, Any]) -> list[dict[str, Any]]:
    return [tree, *(node for below in tree.get("Plans", ()) for node in nodes(below))]


def judge_plan(found: list[dict[str, Any]]) -> Finding:
    kinds = [str(node["Node Type"]) for node in found]
    used = {node.get("Index Name") for node in found}
    if INDEX in used and not any("Sort" in kind for kind in kinds):
        return ok("primary query", f"One user's transactions are read by {INDEX}, without a sort.")
    return warning(
        "primary query",
        f"One user's transactions are not read by {INDEX} alone, but by: {', '.join(kinds)}.",
        "As the owner: ANALYZE transactions. If that does not help, look at the index above and at enable_* settings.",
    )
