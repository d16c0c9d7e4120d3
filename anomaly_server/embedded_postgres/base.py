"""The Django database backend `anomaly_server.embedded_postgres`: PostgreSQL that starts at the first connection."""

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool

from anomaly_server.embedded_postgres import roles, server
from anomaly_server.embedded_postgres.client import DatabaseClient
from anomaly_server.embedded_postgres.errors import EmbeddedPostgresError
from anomaly_server.postgres.base import Reconnecting

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
    return _resolved(settings.EMBEDDED_POSTGRES_DIR)


@functools.cache
def _resolved(path: Path) -> Path:
    return path.resolve()


def running() -> server.Server:
    """The server of the settings, started if it does not run."""
    return server.running(folder(), durable=settings.EMBEDDED_POSTGRES_DURABLE)


class DatabaseWrapper(Reconnecting, base.DatabaseWrapper):
    client_class = DatabaseClient
    # Which server each pool was made for.
    _servers: ClassVar[dict[str, server.Server]] = {}

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
        if self._servers.setdefault(self.alias, found) != found:
            # Every connection in the pool broke when their server ended: make a new one instead of trying each.
            self._servers[self.alias] = found
            self.close_pool()
        return found.login(role)

    def close_pool(self) -> None:
        # Not Django's way, which makes a pool, and so starts the server, only to close it.
        pools: dict[str, ConnectionPool] = self._connection_pools  # type: ignore[attr-defined]  # not in the stubs
        if pool := pools.pop(self.alias, None):
            pool.close()
