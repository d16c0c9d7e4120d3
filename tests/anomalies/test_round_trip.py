"""Statements that are sent together: what each answers, what a failure leaves, and plans that got lost."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import psycopg
import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import OperationalError, connection, transaction
from django.db.utils import DataError
from psycopg.pq.abc import PGresult
from pytest_django.fixtures import DjangoAssertNumQueries

from anomalies import round_trip
from anomalies.round_trip import COMMIT, Statement, Talk, command, row, together
from tests.conftest import login_of

pytestmark = pytest.mark.django_db
# Without a transaction of the test's own around it.
ALONE = pytest.mark.django_db(transaction=True, serialized_rollback=True)
SUM = Statement("SELECT %(one)s::int + %(two)s::int")
COUNT = "SELECT count(*) FROM django_content_type WHERE app_label = 'round_trip'"
QUOTIENT = Statement("SELECT %(one)s::int / %(two)s::int")
PRODUCT = Statement("SELECT %(one)s::int * %(two)s::int")
NOTHING = Statement("SELECT 1 WHERE false")
# Any number that no other advisory lock has.
TURN = 7_201_604_999


def test_each_statement_has_its_result() -> None:
    results = together((SUM, NOTHING, QUOTIENT), {"one": 8, "two": 2})
    assert [row(one) for one in results] == [[b"10"], None, [b"4"]]


def test_values_arrive_as_they_are() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)
    ours = {"id": uuid4(), "amount": Decimal("0.10"), "at": at, "text": "ß'\\", "no": None}
    told = Statement(
        "SELECT %(id)s::uuid, %(amount)s::numeric(4, 2), extract(epoch FROM %(at)s::timestamptz),"
        " %(text)s::text, %(no)s::int"
    )
    found = row(together((told,), ours)[0])
    assert found == [str(ours["id"]).encode(), b"0.10", b"1767323045.000006", "ß'\\".encode(), None]


def test_bytes_are_no_text() -> None:
    packed = Statement("SELECT uuid_send(%(id)s::uuid)", binary=True)
    assert row(together((packed,), {"id": UUID(int=7)})[0]) == [UUID(int=7).bytes]


@transaction.atomic
def fail_half_way() -> None:
    first, second, third = together((SUM, QUOTIENT, SUM), {"one": 8, "two": 0})
    assert row(first) == [b"8"]
    assert round_trip.has_failed(second)
    assert round_trip.has_failed(third)
    row(third)


def test_what_fails_keeps_those_behind_it_from_being_executed_and_they_tell_why() -> None:
    with pytest.raises(DataError, match="division by zero"):
        fail_half_way()
    assert row(together((SUM,), {"one": 1, "two": 1})[0]) == [b"2"]


@ALONE
def test_the_database_transaction_begins_with_the_first_of_them_and_ends_with_the_block() -> None:
    now = Statement("SELECT now(), pg_backend_pid()")
    with transaction.atomic():
        (first,) = together((now,), {})
        (second,) = together((now,), {})
        assert row(first) == row(second)
    (later,) = together((now,), {})
    assert row(later) != row(first)


@ALONE
@pytest.mark.parametrize("begun", ["no transaction", "one that begins", "one that goes on"])
def test_plans_that_were_thrown_away_are_made_again(begun: str) -> None:
    together((SUM, NOTHING), {"one": 1, "two": 1})
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    if begun == "no transaction":
        results = together((QUOTIENT, SUM), {"one": 8, "two": 4})
    else:
        with transaction.atomic():
            if begun == "one that goes on":
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
            results = together((QUOTIENT, SUM), {"one": 8, "two": 4})
    assert [row(one) for one in results] == [[b"2"], [b"12"]]


@ALONE
@pytest.mark.parametrize("lost", [False, True])
def test_in_a_transaction_that_goes_on_what_was_done_before_and_savepoints_stay(lost: bool) -> None:
    kept = Statement("SELECT current_setting('round_trip.test', true)")
    with transaction.atomic(), connection.cursor() as cursor:
        together((kept,), {})
        cursor.execute("SET LOCAL round_trip.test = 'before'")
        if lost:
            cursor.execute("DEALLOCATE ALL")
        results = together((SUM, command("SAVEPOINT ours"), kept), {"one": 1, "two": 1})
        assert [row(one) for one in results] == [[b"2"], None, [b"before"]]
        cursor.execute("SET LOCAL round_trip.test = 'after'")
        cursor.execute("ROLLBACK TO SAVEPOINT ours")
        assert row(together((kept,), {})[0]) == [b"before"]


@ALONE
def test_a_connection_that_ends_half_way_is_told_and_replaced() -> None:
    with pytest.raises(OperationalError):
        together((Statement("SELECT pg_terminate_backend(pg_backend_pid())"), SUM), {"one": 1, "two": 1})
    connection.close()
    assert row(together((SUM,), {"one": 1, "two": 1})[0]) == [b"2"]


def plan() -> None:
    """Where another test's rollback has thrown plans away, a trip is made twice, and all is said again."""
    together((SUM, QUOTIENT, PRODUCT), {"one": 8, "two": 2})


def test_a_round_trip_counts_as_one(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(1):
        together((SUM, QUOTIENT), {"one": 1, "two": 1})


def test_an_answer_is_heard_while_the_server_is_still_at_work() -> None:
    plan()
    heard: list[object] = []
    with psycopg.connect(**login_of(connection.get_connection_params()), autocommit=True) as other:
        other.execute(f"SELECT pg_advisory_lock({TURN})")

        def hear(result: PGresult) -> None:
            heard.append(row(result))
            other.execute(f"SELECT pg_advisory_unlock({TURN})")

        with connection.cursor() as cursor:
            # Who hears it too late waits for himself.
            cursor.execute("SET LOCAL lock_timeout = '30s'")
        waits = Statement(f"SELECT pg_advisory_xact_lock({TURN})")
        *_, ended = together((NOTHING, SUM, waits), {"one": 1, "two": 1}, talk=Talk({SUM: hear}))
        row(ended)
    assert heard == [[b"2"]]


def test_what_is_heard_counts_also_where_a_later_statement_fails() -> None:
    plan()
    heard: list[object] = []
    talk = Talk({SUM: lambda result: heard.append(row(result))})
    with pytest.raises(DataError), transaction.atomic():
        row(together((SUM, QUOTIENT), {"one": 8, "two": 0}, talk=talk)[-1])
    assert heard == [[b"8"]]


def test_what_is_said_because_of_what_was_heard_comes_last_on_the_same_trip(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    steps: list[str] = []
    hears = {SUM: lambda _: steps.append("sum"), QUOTIENT: lambda _: steps.append("quotient")}
    talk = Talk(hears, lambda: (steps.append("reply"), (PRODUCT,))[1], lambda: steps.append("meanwhile"))
    plan()
    with django_assert_num_queries(1):
        results = together((SUM, QUOTIENT, NOTHING), {"one": 8, "two": 2}, talk=talk)
    talk.check()
    assert steps == ["sum", "quotient", "reply", "meanwhile"]
    assert [row(one) for one in results] == [[b"10"], [b"4"], None, [b"16"]]


@pytest.mark.parametrize("at", ["hears", "reply", "meanwhile"])
def test_a_fault_of_ours_is_told_afterwards_and_ends_the_talk(at: str) -> None:
    steps: list[str] = []

    def step(name: str) -> tuple[Statement, ...]:
        steps.append(name)
        return (PRODUCT,) if 1 // (name != at) else ()

    talk = Talk({SUM: lambda _: step("hears")}, lambda: step("reply"), lambda: step("meanwhile"))
    results = together((SUM, QUOTIENT), {"one": 8, "two": 2}, talk=talk)
    with pytest.raises(ZeroDivisionError):
        talk.check()
    assert steps[-1] == at
    said = [[b"16"]] if at == "meanwhile" else []
    assert [row(one) for one in results] == [[b"10"], [b"4"], *said]


@ALONE
@pytest.mark.parametrize("is_begun", [False, True])
def test_what_is_sent_again_is_heard_and_answered_again(is_begun: bool) -> None:
    together((SUM, QUOTIENT, PRODUCT), {"one": 1, "two": 1})
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    heard: list[object] = []
    talk = Talk({SUM: lambda result: heard.append(row(result))}, lambda: (PRODUCT,))
    with transaction.atomic():
        if is_begun:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        results = together((QUOTIENT, SUM), {"one": 2, "two": 2}, talk=talk)
    talk.check()
    assert heard[-1] == [b"4"]
    assert [row(one) for one in results] == [[b"1"], [b"4"], [b"4"]]


@ALONE
def test_the_reply_may_commit_and_something_is_computed_until_the_disk_has_it() -> None:
    computed: list[int] = []
    talk = Talk({SUM: row}, lambda: (COMMIT,), lambda: computed.append(6 * 7))
    with transaction.atomic():
        ContentType.objects.create(app_label="round_trip", model="committed")
        *_, done = together((SUM,), {"one": 1, "two": 1}, talk=talk)
        row(done)
        talk.check()
        assert computed == [42]
        # For everybody else it is committed before the block ends.
        with psycopg.connect(**login_of(connection.get_connection_params())) as other:
            assert other.execute(COUNT).fetchone() == (1,)
    with transaction.atomic():
        ContentType.objects.create(app_label="round_trip", model="another")
        transaction.set_rollback(True)
    assert ContentType.objects.filter(app_label="round_trip").count() == 1


@transaction.atomic
def stored(model: str, statement: Statement, *, by: Callable[[], None] = lambda: None) -> None:
    """Store something, and commit after a statement, and after what somebody else does."""
    ContentType.objects.create(app_label="round_trip", model=model)
    by()
    for result in together((statement,), {"one": 8, "two": 0}, talk=Talk(reply=lambda: (COMMIT,))):
        row(result)


@ALONE
def test_nothing_is_committed_behind_what_failed() -> None:
    with pytest.raises(DataError, match="division by zero"):
        stored("failed", QUOTIENT)
    assert not ContentType.objects.filter(app_label="round_trip").exists()


def end_our_session() -> None:
    with psycopg.connect(**login_of(connection.get_connection_params()), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])


@ALONE
def test_a_commit_that_fails_is_told_and_nothing_is_stored() -> None:
    with pytest.raises(OperationalError):
        stored("lost", SUM, by=end_our_session)
    connection.close()
    assert not ContentType.objects.filter(app_label="round_trip").exists()
