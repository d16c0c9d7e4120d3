"""Django's makemigrations, which looks at the database's history if it can, but does not start the server for it."""

import re
import warnings
from typing import Any

from django.core.management.commands import makemigrations

from anomaly_server.embedded_postgres.base import NOT_RUNNING, never_starting


class Command(makemigrations.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        with warnings.catch_warnings(), never_starting():
            # Not seeing the history is no fault here. Any other trouble with the database is still told.
            warnings.filterwarnings("ignore", f".*{re.escape(NOT_RUNNING)}", RuntimeWarning)
            super().handle(*args, **options)
