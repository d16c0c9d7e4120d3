"""gunicorn, as it serves people, on the database of the tests: for a test that really commits."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket

from django.db import connection

from tests.anomaly_server.programs import kept_port, started, wait_until
from tests.conftest import login_of, url


@contextmanager
def served(log: Path, application: str = "anomaly_server.wsgi", **settings: str) -> Iterator[int]:
    """The port on which gunicorn serves the tests' database."""
    with kept_port() as port:
        yield from _served(log, application, port, settings)


def _served(log: Path, application: str, port: int, settings: dict[str, str]) -> Iterator[int]:
    more = {"DATABASE_URL": url(**login_of(connection.get_connection_params())), "PORT": str(port), **settings}
    command = (sys.executable, "-m", "gunicorn", "-c", "anomaly_server/gunicorn.py", application)
    with started(*command, log=log, **more) as server:
        wait_until(lambda: is_open(port))
        yield port
        # Its workers too, and their connections: the tests' tables are emptied next.
        server.terminate()
        server.wait()


def is_open(port: int) -> bool:
    with socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
