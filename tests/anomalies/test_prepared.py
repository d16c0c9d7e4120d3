"""Queries of every request are planned once a connection; no other statement stays there."""

from uuid import uuid4

import pytest
from django.db import connection

from anomalies.prepared import fetch
from tests.api import BASE, reader

pytestmark = pytest.mark.django_db
PLANNED = "SELECT sum(generic_plans + custom_plans) FROM pg_prepared_statements WHERE statement LIKE %s"


def planned(beginning: str) -> int | None:
    """How often the statements that begin so were executed from a plan of this connection."""
    with connection.cursor() as cursor:
        cursor.execute(PLANNED, [f"{beginning}%"])
        (found,) = cursor.fetchone()
    return found and int(found)


def test_a_query_is_prepared_with_its_first_use() -> None:
    statement = f"SELECT %s::int AS a_{uuid4().hex}"
    assert fetch(statement, [1]) == [(1,)]
    assert fetch(statement, [2]) == [(2,)]
    assert planned(statement.replace("%s", "$1")) == 2


def test_a_query_that_needs_other_plans_for_other_values_is_not() -> None:
    statement = f"SELECT %s::int AS a_{uuid4().hex}"
    for _ in range(10):
        fetch(statement, [1], prepare=False)
    assert planned(statement.replace("%s", "$1")) is None


def test_djangos_own_queries_are_not_however_often_they_come() -> None:
    statement = f"SELECT 1 AS a_{uuid4().hex}"
    with connection.cursor() as cursor:
        for _ in range(10):
            cursor.execute(statement)
    assert planned(statement) is None


def test_the_primary_query_is() -> None:
    client, before = reader(), planned("SELECT id, user_id, amount") or 0
    for _ in range(3):
        assert client.get(f"{BASE}transactions/?user_id={uuid4()}").status_code == 200
    assert (planned("SELECT id, user_id, amount") or 0) >= before + 3
