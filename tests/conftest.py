"""What tests of several folders share."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from django.db import connection
from psycopg import sql


@pytest.fixture(scope="session")
def python_bin() -> Path:
    """The folder of this Python's programs: gunicorn and the others."""
    return Path(sys.executable).parent


@pytest.fixture(scope="session")
def own_database(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """The URL of an empty database for the processes that a test starts."""
    name = f"own_{os.getpid()}"
    with django_db_blocker.unblock():
        login = login_of(connection.get_connection_params())
    with psycopg.connect(**login, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield url(**{**login, "dbname": name})
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def login_of(params: dict[str, Any]) -> dict[str, str]:
    names = ("dbname", "user", "password", "host", "port")
    return {name: str(params[name]) for name in names if params.get(name)}


def url(*, dbname: str, user: str, password: str = "", host: str = "", port: str = "") -> str:
    """A URL for any server, one that listens on a socket in a folder too."""
    return f"postgresql://{quote(user)}:{quote(password, safe='')}@/{dbname}?host={quote(host, safe='')}&port={port}"
