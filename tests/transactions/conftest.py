"""What tests of several doors share."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from benchmarks.scratch import fill, scratch_schema

MILLION = "a_million"


@pytest.fixture(scope="session")
def _a_million_stored(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock(), scratch_schema(MILLION):
        fill(1_000_000)
        # The other tests see the usual, empty table.
        with connection.cursor() as cursor:
            cursor.execute("RESET search_path; RESET random_page_cost")
        yield


@pytest.fixture
def a_million(_a_million_stored: None, db: None) -> None:
    """A million transactions of 20,000 users, for this test alone, planned as on the embedded server."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL search_path = {MILLION}, public")
        cursor.execute("SET LOCAL random_page_cost = 1.1")
