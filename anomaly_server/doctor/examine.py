"""All checks, in the order in which one would mend things."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import DatabaseError, connection, transaction

from anomaly_server.doctor import configuration, database, disk, packages, schema, work
from anomaly_server.doctor.findings import Finding, Level, error
from anomaly_server.embedded_postgres import base

Check = Callable[[], Finding]
START = "Start it with `make run` or `manage.py db start`, or look at DATABASE_URL."
WITHOUT_DATABASE: tuple[Check, ...] = (
    configuration.secret_key,
    configuration.debug,
    configuration.hosts,
    configuration.https,
    packages.packages,
    disk.disk,
)
OF_DATABASE: tuple[Check, ...] = (
    database.encoding,
    database.time_zone,
    database.clock,
    database.time_limits,
    database.durability,
    database.connections,
    schema.migrations,
)
# Of tables, which are there after the migrations.
OF_TABLES: tuple[Check, ...] = (
    schema.roles,
    schema.index,
    schema.primary_query,
    work.worker,
    work.jobs,
    work.backlog,
    work.reference,
    work.webhooks,
)


def everything() -> Iterator[Finding]:
    """Each check's finding. Starts no PostgreSQL, and changes nothing. What cannot be looked at is an error."""
    with base.never_starting(), directly():
        for check in WITHOUT_DATABASE:
            yield check()
        server = looked(database.server)
        yield server
        if server.level == Level.OK:
            yield from map(looked, (*OF_DATABASE, *OF_TABLES))


@contextmanager
def directly() -> Iterator[None]:
    """Without the pool, which tries for long and then does not say why there is no connection."""
    if connection.in_atomic_block:
        # A test's transaction, which ends with its connection.
        yield
        return
    ours = connection.settings_dict
    options = {name: value for name, value in ours["OPTIONS"].items() if name != "pool"}
    connection.close()
    connection.settings_dict = {**ours, "OPTIONS": {"connect_timeout": 10, **options}}
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict = ours


def looked(check: Check) -> Finding:
    """What it found, or why it could not look. Of the database's words only the first line, which holds no secret."""
    try:
        with transaction.atomic():
            found = check()
            # Whatever a check does, it changes nothing.
            transaction.set_rollback(True)
        return found
    except DatabaseError as fault:
        why = str(fault).strip().partition("\n")[0]
        do = START if check is database.server else "Mend what the lines above say, then run this again."
        return error(check.__name__.replace("_", " "), f"Cannot be looked at: {why}", do)
