"""The Django database backend `anomaly_server.postgres`: PostgreSQL, whose restart costs no request."""

import select
import time
from collections.abc import Callable
from typing import Any

from django.db.backends.postgresql import base
from psycopg import OperationalError
from psycopg_pool import ConnectionPool

ENGINE = "anomaly_server.postgres"


class Reconnecting:
    """For a DatabaseWrapper with a pool: hands out no connection whose server has ended.

    Asking the server (Django's CONN_HEALTH_CHECKS) would be a round trip for every request. A server that ends closes
    its connections, killed or not: then there is something to read, which on an idle connection there never is else.

    With `KEPT_S` in the database's settings, a thread keeps its connection from one request to the next and gives it
    back to the pool after so many seconds: to give it back and take it again takes as long as half a short query.
    """

    pool: Any
    connection: Any
    settings_dict: dict[str, Any]
    health_check_done: bool
    close_at: float | None
    close: Callable[[], None]

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        if kept_s := self.settings_dict.get("KEPT_S"):
            self.close_at = time.monotonic() + kept_s

    def ensure_connection(self) -> None:
        self.close_if_health_check_failed()
        super().ensure_connection()  # type: ignore[misc]

    def close_if_unusable_or_obsolete(self) -> None:
        """Asked when a request ends. Leaves a connection that the next one looks at again before its first query."""
        # Django's asks the connection, and would wait for a new one where the server has ended.
        if self.connection is not None and is_gone(self.connection):
            self.close()
        super().close_if_unusable_or_obsolete()  # type: ignore[misc]
        self.health_check_done = False

    def close_if_health_check_failed(self) -> None:
        """Django has this asked before the first query of a request that finds a connection."""
        if self.connection is None or self.health_check_done:
            return
        if is_gone(self.connection):
            self.close()
        self.health_check_done = True

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)  # type: ignore[misc]
        # Each round takes a broken one out of the pool: they end, or the pool's patience does.
        while self.pool and is_gone(connection):
            connection.close()
            self.pool.putconn(connection)
            connection = super().get_new_connection(conn_params)  # type: ignore[misc]
        return connection


def is_gone(connection: Any) -> bool:
    """True if the server has closed this idle connection. Asks the server only where it has said something."""
    if connection.closed:  # A query has found out already: there is no socket to look at any more.
        return True
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    if not poll.poll(0):
        return False
    try:
        ConnectionPool.check_connection(connection)
    except OperationalError:
        return True
    return False


class DatabaseWrapper(Reconnecting, base.DatabaseWrapper):
    """Django's, with that."""
