"""The limit of Python on this machine: a bare WSGI function, psycopg's pool and orjson. It checks nothing at all."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

import orjson
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from benchmarks.http_rivals.query import COLUMNS, FILTERS, login

NAMES = ", ".join(COLUMNS)
LIST = " ".join(("SELECT", NAMES, "FROM transactions", FILTERS))
INSERT = " ".join(
    (
        "INSERT INTO transactions (id, user_id, amount, currency, txn_date, status, meta_data) VALUES",
        "(%(id)s, %(user_id)s, %(amount)s, %(currency)s, %(txn_date)s, %(status)s, %(meta_data)s) RETURNING",
        NAMES,
    )
)
OPTIONS = {"autocommit": True, "row_factory": dict_row}
# Opened by the first request: two processes must not share a connection.
POOL: ConnectionPool[Any] = ConnectionPool(
    make_conninfo("", **login()), kwargs=OPTIONS, min_size=4, max_size=6, open=False
)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environ["REQUEST_METHOD"] == "POST":
        made = orjson.loads(environ["wsgi.input"].read())
        made["meta_data"] = orjson.dumps(made["meta_data"]).decode()
        status, found = "201 Created", rows(INSERT, made)
    else:
        status, found = "200 OK", rows(LIST, dict(parse_qsl(environ["QUERY_STRING"])))
    body = orjson.dumps({"next": None, "previous": None, "results": found}, default=str, option=orjson.OPT_UTC_Z)
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def rows(statement: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    if POOL.closed:
        POOL.open()
    with POOL.connection() as connection:
        return connection.execute(statement, values).fetchall()
