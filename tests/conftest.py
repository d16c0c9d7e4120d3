"""What tests of several folders share."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import factory
import psycopg
import pytest
from django.db import connection
from psycopg import sql
from pytest_django.plugin import blocking_manager_key
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from anomalies.api.exporting import Export
from tests import factories

# Files with this ending share a table that takes long to fill.
AT_A_MILLION = "_at_a_million.py"


class Scheduling(LoadFileScheduling):
    """A file's tests go to one process, and so do those of all files with one ending."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return AT_A_MILLION if file.endswith(AT_A_MILLION) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """In the place of `--dist loadfile`."""
    return Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that really commit begin with what the migrations filled, and leave nothing behind.

    All of them, or none: after one that does not, Django fills in the content types, and the next one that does
    finds them there.
    """
    for item in items:
        if commits(item):
            item.add_marker(pytest.mark.django_db(transaction=True, serialized_rollback=True), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Put back what the migrations filled before a test that does not commit: that one finds what is there.

    pytest-django runs those first, but a process of several gets its files one by one.
    """
    yield
    # After the last test the connection leads to another database than the tests'.
    if nextitem and commits(item) and not commits(nextitem):
        with item.config.stash[blocking_manager_key].unblock():
            connection.creation.deserialize_db_from_string(connection._test_serialized_contents)  # type: ignore[attr-defined]


def commits(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("django_db")
    return bool(marker and marker.kwargs.get("transaction"))


@pytest.fixture(autouse=True)
def sequences_begin_anew() -> None:
    """Times and names from the factories do not depend on how many tests ran before."""
    for made in vars(factories).values():
        if isinstance(made, type) and issubclass(made, factory.Factory):
            made.reset_sequence(0)


@pytest.fixture(autouse=True)
def exports_begin_anew() -> None:
    """A file that a test has asked for and not read takes nobody's place."""
    Export.under_way.clear()


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
