"""Django's makemigrations, which looks at the database's history if it can, but does not start the server for it."""

import re
import warnings
from typing import Any, cast

from django.core.management.commands import makemigrations
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.postgresql.base import DatabaseWrapper

from anomaly_server.database_roles import as_owner
from anomaly_server.embedded_postgres.base import NOT_RUNNING, never_starting


class Command(makemigrations.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        connection = cast(DatabaseWrapper, connections[DEFAULT_DB_ALIAS])
        # As the owner for want of a pool, which would try for ten seconds to reach a server that is not there.
        with warnings.catch_warnings(), never_starting(), as_owner(connection):
            # Not seeing the history is no fault here. Any other trouble with the database is still told.
            warnings.filterwarnings("ignore", f".*{re.escape(NOT_RUNNING)}", RuntimeWarning)
            super().handle(*args, **options)
