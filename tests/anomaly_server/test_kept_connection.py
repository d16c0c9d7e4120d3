"""A thread that answers requests keeps its connection for a while, and notices by itself when its server has ended."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def thread() -> Iterator[Any]:
    """A connection as a thread of the server has it, to the tests' database."""
    kept = connection.copy()
    kept.settings_dict["KEPT_S"] = 60
    yield kept
    kept.close()


def backend(thread: Any) -> int:
    """Which process of PostgreSQL answers a request of this thread. Django looks after it when the request ends."""
    with thread.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid: int = cursor.fetchone()[0]
    thread.close_if_unusable_or_obsolete()
    return pid


def test_the_next_request_finds_the_connection_of_the_last_one(thread: Any) -> None:
    first = backend(thread)
    held = thread.connection
    assert held is not None
    assert backend(thread) == first
    assert thread.connection is held


def test_it_goes_back_to_the_pool_when_its_time_is_up(thread: Any) -> None:
    backend(thread)
    thread.close_at -= 61
    thread.close_if_unusable_or_obsolete()
    assert thread.connection is None
    assert backend(thread)


def test_others_give_it_back_after_each_request(thread: Any) -> None:
    del thread.settings_dict["KEPT_S"]
    assert backend(thread)
    assert thread.connection is None


def test_a_server_that_has_ended_meanwhile_costs_no_request(thread: Any) -> None:
    ended = backend(thread)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [ended])
    assert backend(thread) != ended


def test_one_that_is_lost_during_a_request_does_not_stay_with_the_thread(thread: Any) -> None:
    lost = backend(thread)
    with thread.cursor() as cursor, connection.cursor() as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [lost])
        with pytest.raises(OperationalError):
            cursor.execute("SELECT 1")
    thread.close_if_unusable_or_obsolete()
    assert thread.connection is None
    assert backend(thread) != lost


def test_a_transaction_that_was_left_open_is_not_kept(thread: Any) -> None:
    backend(thread)
    thread.set_autocommit(False)
    thread.close_if_unusable_or_obsolete()
    assert thread.connection is None
    assert backend(thread)
