"""No two server processes share a database connection, though they share what is imported."""

import sys

from tests.anomaly_server.programs import run

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
COUNT_AFTER_IMPORT = """
import anomaly_server.wsgi
from django.db.backends.postgresql.base import DatabaseWrapper
print(len(DatabaseWrapper._connection_pools))
"""
COUNT_AROUND_THE_FORK = """
import runpy, django
django.setup()
from django.db import connection
from django.db.backends.postgresql.base import DatabaseWrapper
connection.ensure_connection()
open_before = len(DatabaseWrapper._connection_pools)
runpy.run_path("anomaly_server/gunicorn.py")["pre_fork"](None, None)
print(open_before, len(DatabaseWrapper._connection_pools), connection.connection)
"""


def test_importing_the_application_opens_no_connection() -> None:
    # In a fresh clone the static files are not collected yet: that one warning is right, any other is not.
    calm = "ignore:No directory at:UserWarning"
    ended = run(sys.executable, "-W", calm, "-c", COUNT_AFTER_IMPORT, DATABASE_URL=NOWHERE)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("0\n", "", 0)


def test_what_is_open_before_a_fork_is_closed(own_database: str) -> None:
    settings = {"DATABASE_URL": own_database, "DJANGO_SETTINGS_MODULE": "anomaly_server.settings"}
    ended = run(sys.executable, "-c", COUNT_AROUND_THE_FORK, **settings)
    assert (ended.stdout, ended.returncode) == ("1 0 None\n", 0), ended.stderr


def test_it_serves_as_the_settings_say() -> None:
    show = """
import runpy
read = runpy.run_path("anomaly_server/gunicorn.py")
print(read["bind"], read["workers"], read["threads"], read["worker_class"], read["control_socket_disable"])
"""
    more = {"HOST": "127.0.0.2", "PORT": "8765", "WEB_CONCURRENCY": "3", "WEB_THREADS": "5"}
    worker = "anomaly_server.web_worker.WebWorker"
    assert run(sys.executable, "-c", show, **more).stdout == f"127.0.0.2:8765 3 5 {worker} True\n"


def test_what_scores_a_row_is_compiled_before_the_workers_part() -> None:
    show = """
import logging, runpy, sys
from types import SimpleNamespace
served = runpy.run_path("anomaly_server/gunicorn.py")
print("numba" in sys.modules)
served["on_starting"](SimpleNamespace(log=logging))
print(len(sys.modules["scoring.last_row"].of_rows.signatures))
"""
    ended = run(sys.executable, "-c", show)
    assert ended.stdout == "False\n1\n", ended.stderr
