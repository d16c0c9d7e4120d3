"""The Django database backend `anomaly_server.embedded_postgres`: PostgreSQL that starts at the first connection."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.db.backends.postgresql import base

from anomaly_server.embedded_postgres import roles, server
from anomaly_server.embedded_postgres.client import DatabaseClient
from anomaly_server.embedded_postgres.errors import EmbeddedPostgresError

ENGINE = "anomaly_server.embedded_postgres"
NOT_RUNNING = "The embedded PostgreSQL does not run, and this command does not start it."

_may_start = True


@contextlib.contextmanager
def never_starting() -> Iterator[None]:
    """For commands that may look into the database if it is up, but need none."""
    global _may_start  # One command is one process.
    _may_start = False
    try:
        yield
    finally:
        _may_start = True


def folder() -> Path:
    """Where the settings put the embedded server, as one name however it is written."""
    return Path(settings.EMBEDDED_POSTGRES_DIR).resolve()


def running() -> server.Server:
    """The server of the settings, started if it does not run."""
    return server.running(folder(), durable=settings.EMBEDDED_POSTGRES_DURABLE)


class DatabaseWrapper(base.DatabaseWrapper):
    client_class = DatabaseClient

    def get_connection_params(self) -> dict[str, Any]:
        """Django's parameters, and the login on our server, which is started if it does not run.

        USER names the role: empty for the application, `anomaly_owner` for who migrates.
        """
        login = self.login(self.settings_dict["USER"] or roles.APP)
        # Only a server that knows the password is talked to, should somebody plant another one.
        return {**super().get_connection_params(), **login._asdict(), "require_auth": "scram-sha-256"}

    def login(self, role: str) -> server.Login:
        if role not in (roles.APP, roles.OWNER, roles.SUPERUSER):
            raise ImproperlyConfigured(
                f"USER={role!r}: the embedded PostgreSQL knows only {roles.APP} and {roles.OWNER}."
            )
        try:
            found = running() if _may_start else server.find(folder())
        except EmbeddedPostgresError as error:
            raise OperationalError(str(error)) from error
        if found is None:
            raise OperationalError(NOT_RUNNING)
        return found.login(role)

    def close_pool(self) -> None:
        # Django would make a pool, and so start the server, only to close it.
        if self.alias in self._connection_pools:  # type: ignore[attr-defined]  # missing in the stubs
            super().close_pool()
