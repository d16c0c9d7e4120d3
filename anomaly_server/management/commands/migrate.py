"""Django's migrate, logged in as the owner of the tables; afterwards the application gets its rights."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any, cast

from django.core.management import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections
from django.db.backends.postgresql.base import DatabaseWrapper

from anomaly_server import database_roles

# Any number that nobody else locks.
LOCK = 7_281_409_113


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        connection = cast(DatabaseWrapper, connections[options["database"]])
        with database_roles.as_owner(connection):
            try:
                connection.ensure_connection()
            except OperationalError as error:
                raise CommandError(f"No connection to the database: {str(error).strip()}") from error
            with self.alone(connection):
                super().handle(*args, **options)
                if not (options["plan"] or options["check_unapplied"]):
                    database_roles.grant(connection)

    @contextlib.contextmanager
    def alone(self, connection: DatabaseWrapper) -> Iterator[None]:
        """Let one migrate at a time work on the database: servers that start together all call it.

        Tried again and again: a query that waits for the lock would hold up the holder's CREATE INDEX CONCURRENTLY.
        """
        told = False
        while not _answer(connection, "SELECT pg_try_advisory_lock(%s)"):
            if not told:
                self.stderr.write("Waiting for another migrate on this database ...")
                told = True
            time.sleep(0.2)
        try:
            yield
        finally:
            # A broken connection has given it back.
            with contextlib.suppress(Exception):
                _answer(connection, "SELECT pg_advisory_unlock(%s)")


def _answer(connection: DatabaseWrapper, query: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(query, [LOCK])
        return bool(cursor.fetchone()[0])
