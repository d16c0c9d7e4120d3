import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

import pytest
from django.db import OperationalError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories import RowFactory
from tests.transactions.bad_rows import GOOD
from tests.transactions.row_cases import from_json
from transactions import store
from transactions.models import Transaction
from transactions.rows import Row, check
from transactions.store import Outcome, RefusedByDatabase, Written, write

T = TypeVar("T")
CREATED, DUPLICATE = Written(Outcome.CREATED), Written(Outcome.DUPLICATE)
OTHER_USER = UUID("0190a1b2-0000-7000-8000-000000000002")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEXT_WEEK = datetime.now(UTC) + timedelta(days=7)


def conflict(*fields: str) -> Written:
    return Written(Outcome.CONFLICT, fields)


def stored(row: Row) -> Row:
    """The row as the database has it, through the law again."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id::text, user_id::text, amount::text, currency, txn_date, status, meta_data::text"
            " FROM transactions WHERE id = %s",
            [row.id],
        )
        names = [column.name for column in cursor.description or ()]
        found = dict(zip(names, cursor.fetchone() or (), strict=True))
    return check(found | {"txn_date": found["txn_date"].isoformat()}, now=datetime.now(UTC))


# One row and several take different ways, which must not show.
@pytest.fixture(params=["one", "many"])
def beside(request: pytest.FixtureRequest) -> list[Row]:
    return [] if request.param == "one" else [RowFactory()]


@pytest.mark.django_db
def test_a_new_row_is_created_as_it_is(beside: list[Row]) -> None:
    row = RowFactory(amount=Decimal("90071992547409.93"), meta_data=r'{"a":"\\ \n \t \\N é","n":1.50}')
    assert write([row, *beside])[0] == CREATED
    assert stored(row) == row


@pytest.mark.django_db
def test_the_same_row_again_is_a_duplicate(beside: list[Row]) -> None:
    row = RowFactory(meta_data='{"a":1,"b":2}')
    write([row])
    assert write([replace(row, meta_data='{"b":2.0,"a":1}'), *beside])[0] == DUPLICATE


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"user_id": OTHER_USER}, ("user_id",)),
        ({"amount": Decimal("10.01")}, ("amount",)),
        ({"currency": "USD"}, ("currency",)),
        ({"txn_date": datetime(2024, 6, 1, tzinfo=UTC)}, ("txn_date",)),
        ({"status": "failed"}, ("status",)),
        ({"meta_data": '{"a":1}'}, ("meta_data",)),
        ({"status": "failed", "amount": Decimal("1.00")}, ("amount", "status")),
    ],
)
def test_other_content_under_the_same_id_is_a_conflict_and_changes_nothing(
    beside: list[Row], changes: dict[str, object], fields: tuple[str, ...]
) -> None:
    row = RowFactory()
    write([row])
    assert write([replace(row, **changes), *beside])[0] == conflict(*fields)
    assert stored(row) == row


@pytest.mark.django_db
def test_a_repeat_in_one_write_is_judged_against_the_first() -> None:
    row, other = RowFactory.build_batch(2)
    # The later ones would come first in the order in which rows are inserted.
    earlier = replace(row, txn_date=row.txn_date - timedelta(days=1))
    elsewhere = replace(row, user_id=UUID(int=1))
    written = write([row, row, earlier, other, elsewhere])
    assert written == [CREATED, DUPLICATE, conflict("txn_date"), CREATED, conflict("user_id")]
    assert stored(row) == row


@pytest.mark.django_db
def test_outcomes_come_in_the_order_of_the_rows() -> None:
    rows = RowFactory.build_batch(60)
    write(rows[::3])
    changed = [replace(row, status="failed") if n % 2 else row for n, row in enumerate(rows)]
    written = write(list(reversed(changed)))
    expected = [CREATED if n % 3 else conflict("status") if n % 2 else DUPLICATE for n in range(60)]
    assert written == list(reversed(expected))


@pytest.mark.django_db
def test_several_writes_share_a_transaction() -> None:
    rows = RowFactory.build_batch(6)
    with transaction.atomic():
        assert write(rows[:4]) == [CREATED] * 4
        assert write(rows[2:]) == [DUPLICATE] * 2 + [CREATED] * 2
    assert write(rows) == [DUPLICATE] * 6


@pytest.mark.django_db
def test_nothing_is_written_of_no_rows() -> None:
    assert write([]) == []
    assert not Transaction.objects.exists()


@pytest.mark.django_db
def test_what_the_database_refuses_is_told_as_a_problem_of_the_row(beside: list[Row]) -> None:
    row = RowFactory(txn_date=NEXT_WEEK)
    with pytest.raises(RefusedByDatabase) as caught, transaction.atomic():
        write([*beside, row])
    (problem,) = caught.value.problems
    assert (problem.field, problem.code) == ("txn_date", "in_the_future")
    assert caught.value.position == len(beside)


@pytest.mark.django_db
def test_several_rows_that_are_refused_leave_the_transaction_usable() -> None:
    rows = RowFactory.build_batch(3)
    with transaction.atomic():
        with pytest.raises(RefusedByDatabase) as caught:
            write([*rows, RowFactory(txn_date=NEXT_WEEK)])
        assert caught.value.position == 3
        assert write(rows) == [CREATED] * 3


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"amount": Decimal("-1.00")}, ("amount", "out_of_range")),
        ({"currency": "eur"}, ("currency", "not_a_currency")),
        ({"status": "OK"}, ("status", "not_a_status")),
        ({"meta_data": "[]"}, ("meta_data", "not_an_object")),
        ({"txn_date": datetime(1969, 1, 1, tzinfo=UTC)}, ("txn_date", "in_the_future")),
        ({"amount": Decimal("1e20")}, ("", "refused_by_database")),
        ({"meta_data": r'{"a":"\u0000"}'}, ("", "refused_by_database")),
    ],
)
def test_a_row_that_went_around_the_law_is_refused_by_name(
    beside: list[Row], changes: dict[str, object], problem: tuple[str, str]
) -> None:
    with pytest.raises(RefusedByDatabase) as caught, transaction.atomic():
        write([replace(RowFactory(), **changes), *beside])
    assert caught.value.problems[0][:2] == problem


def test_each_constraint_of_the_table_has_its_sentence() -> None:
    assert {constraint.name for constraint in Transaction._meta.constraints} == set(store.CONSTRAINTS)


@pytest.mark.django_db
def test_one_row_takes_one_statement_and_a_known_one_two(django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    row = RowFactory()
    with django_assert_num_queries(1):
        write([row])
    with django_assert_num_queries(2):
        write([row])


@pytest.mark.django_db
def test_many_rows_take_as_many_statements_as_few(django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    # Savepoint, staging table, COPY, INSERT, release; and for what is known the comparison.
    rows = RowFactory.build_batch(500)
    with django_assert_num_queries(5):
        write(rows)
    with django_assert_num_queries(6):
        write(rows)


@pytest.mark.django_db
def test_every_good_row_of_the_table_is_stored_as_it_says(beside: list[Row]) -> None:
    now = datetime.now(UTC)
    rows = [from_json(case.json, now=now) for case in GOOD]
    written = [write([row])[0] for row in rows] if not beside else write(rows)
    assert written == [CREATED] * len(GOOD)
    assert [stored(row) for row in rows] == rows


PLAIN_TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=20)
META_DATA = st.dictionaries(
    PLAIN_TEXT,
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | PLAIN_TEXT
        | st.floats(allow_nan=False, allow_infinity=False).map(lambda number: Decimal(repr(number))),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PLAIN_TEXT, inner, max_size=4),
        max_leaves=6,
    ),
    max_size=4,
)
ANY_ROW = st.fixed_dictionaries(
    {
        "user_id": st.uuids().map(str),
        "amount": st.decimals(0, 10**18 - 1, places=2, allow_nan=False),
        "currency": st.sampled_from(["EUR", "JPY", "XAU"]),
        "txn_date": st.builds(
            lambda since, offset: (EPOCH + since).astimezone(timezone(offset)).isoformat(),
            st.timedeltas(timedelta(0), timedelta(days=20_000)),
            st.integers(-1439, 1439).map(lambda minutes: timedelta(minutes=minutes)),
        ),
        "status": st.from_regex(r"[a-z][a-z0-9_]{0,31}", fullmatch=True),
        "meta_data": META_DATA,
    }
)


@pytest.mark.django_db
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ANY_ROW, min_size=1, max_size=3))
def test_what_the_law_accepts_the_database_keeps(raw_rows: list[dict[str, object]]) -> None:
    now = datetime.now(UTC)
    rows = [check(raw, now=now) for raw in raw_rows]
    assert write(rows) == [CREATED] * len(rows)
    assert [stored(row) for row in rows] == rows


# From here on, several sessions: what they see of each other needs real commits.


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """Commits are real, and taken back by hand: a flush would also empty what migrations have filled."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        yield
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM transactions")
        connection.close()


def at_once(*batches: list[Row]) -> list[list[Written]]:
    """Each batch written by a thread with a session of its own, all started together."""
    start = threading.Barrier(len(batches))
    results: dict[int, list[Written]] = {}

    def run(number: int, rows: list[Row]) -> None:
        with closing(connection):
            start.wait()
            with transaction.atomic():
                results[number] = write(rows)

    threads = [threading.Thread(target=run, args=batch) for batch in enumerate(batches)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=300)
    return [results[number] for number in range(len(batches))]


def test_sessions_that_write_the_same_rows_create_each_exactly_once(committed: None) -> None:
    rows = RowFactory.build_batch(400)
    for _ in range(3):
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM transactions")
        # One forwards, one backwards, one from the middle: the order of arrival must not matter.
        batches = [rows, rows[::-1], rows[200:] + rows[:200]]
        outcomes = [
            {row.id: one.outcome for row, one in zip(batch, written, strict=True)}
            for batch, written in zip(batches, at_once(*batches), strict=True)
        ]
        for row in rows:
            assert Counter(outcome[row.id] for outcome in outcomes) == {Outcome.CREATED: 1, Outcome.DUPLICATE: 2}
        assert Transaction.objects.count() == 400


def waits_for_another() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        (waiting,) = cursor.fetchone()
    return bool(waiting)


def ended_in_a_deadlock(run: Callable[[Row, Row], T]) -> tuple[T, list[Row]]:
    """What `run` says that writes two rows in a session of its own, and is ended in a deadlock with ours; the rows.

    The database ends whoever looks for deadlocks first: on a busy machine that may be us, and all begins anew.
    """

    def apart(rows: list[Row]) -> T:
        with closing(connection):
            return run(*rows)

    for _ in range(5):
        rows = sorted(RowFactory.build_batch(2), key=lambda row: row.user_id)
        with ThreadPoolExecutor(1) as pool, suppress(OperationalError):
            with transaction.atomic():
                # In the opposite order. The other session waits first, and looks a second later.
                write(rows[1:])
                other = pool.submit(apart, rows)
                while not other.done() and not waits_for_another():
                    time.sleep(0.01)
                write(rows[:1])
            return other.result(timeout=300), rows
    raise AssertionError("It was always our session that was ended.")


def test_a_write_that_the_database_ends_in_a_deadlock_is_tried_again(committed: None) -> None:
    def write_both(first: Row, second: Row) -> list[Written]:
        with transaction.atomic():
            return write([first, second])

    results, _ = ended_in_a_deadlock(write_both)
    assert results == [DUPLICATE, DUPLICATE]


def test_one_row_from_many_sessions_is_created_once(committed: None) -> None:
    row = RowFactory()
    results = [written for (written,) in at_once(*[[row]] * 6)]
    assert Counter(results) == {CREATED: 1, DUPLICATE: 5}
