"""Django's migrate, logged in as the owner of the tables; afterwards the application gets its rights."""

from typing import Any, cast

from django.core.management.commands import migrate
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper

from anomaly_server import database_roles


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        connection = cast(DatabaseWrapper, connections[options["database"]])
        with database_roles.as_owner(connection):
            super().handle(*args, **options)
            if not (options["plan"] or options["check_unapplied"]):
                database_roles.grant(connection)
