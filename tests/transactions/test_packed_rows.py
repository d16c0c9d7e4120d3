"""What is packed of a user's rows changes no score: read with it or without, a row's past is the same."""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import numpy as np
import psycopg
import pytest
from django.db import connection
from django.test import override_settings
from numpy.typing import NDArray
from pytest_django.fixtures import DjangoAssertNumQueries

import scoring
from anomalies import renewed, round_trip
from anomalies.models import PendingScore
from anomalies.renewed import renew_due
from tests.conftest import login_of
from tests.transactions import traffic
from transactions import backlog, history, intake, lookback, packed_rows, store
from transactions.models import PackedRows, Transaction
from transactions.rows import Row
from transactions.store import Outcome
from transactions.taken import TIMED_OUT

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
END_LAST = scoring.end_last


def made(instants: Sequence[int]) -> list[Row]:
    """A user's rows at so many minutes, in the order (txn_date, id)."""
    rows = [
        replace(row, id=uuid4(), txn_date=traffic.START + at * MINUTE)
        for row, at in zip(traffic.rows(len(instants), users=1), instants, strict=True)
    ]
    return sorted(rows, key=lambda row: (row.txn_date, row.id))


def stored(instants: Sequence[int]) -> list[Row]:
    rows = made(instants)
    store.write(rows)
    return rows


def past_of(row: Row) -> lookback.Lookback:
    return lookback.up_to(row.user_id, row.txn_date, row.id)[0]


def keep_up_to(row: Row) -> bool:
    """Pack the row and those before it; whether that was done."""
    packed_rows.keep_read(row.user_id, past_of(row))
    return PackedRows.objects.filter(user_id=row.user_id, until=row.txn_date).exists()


def assert_whole(rows: Sequence[Row], place: int) -> None:
    """The row's past is what the batch has of it."""
    everything = history.of_users([rows[place].user_id], [traffic.START]).columns
    assert_same_past(past_of(rows[place]).rows, everything.part(0, place + 1))


def assert_same_past(rows: NDArray[np.int64], expected: scoring.Columns) -> None:
    """All that is found is the end of what is expected, and as much of it as counts."""
    np.testing.assert_array_equal(rows, expected.stacked()[:, -scoring.HISTORY_ROWS - 1 :])


@pytest.mark.parametrize("tied", [1, 3, 50], ids=lambda tied: f"{tied} at a time")
@pytest.mark.parametrize("packed", [5, 149, 599, 899])
def test_packed_rows_and_those_after_them_are_the_whole_past(packed: int, tied: int) -> None:
    rows = stored([place // tied for place in range(1500)])
    last = (packed // tied + 1) * tied - 1
    assert keep_up_to(rows[last])
    for place in (last + 1, last + 2, last + 40, last + 511, last + 514, last + 577):
        assert_whole(rows, place)
    # They are of no use for what lies before their end.
    assert_whole(rows, last)
    assert_whole(rows, last // 2)


def test_of_what_is_packed_nothing_is_looked_up(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    rows = stored(range(300))
    assert past_of(rows[290]).loose == 291
    assert keep_up_to(rows[279])
    with django_assert_num_queries(1):
        assert past_of(rows[290]).loose == 11


def test_rows_are_packed_again_and_again_and_no_more_than_can_be_used() -> None:
    rows = stored(range(2000))
    for place in range(40, 2000, 170):
        assert keep_up_to(rows[place])
        assert_whole(rows, min(place + 30, 1999))
    assert PackedRows.objects.get().rows == lookback.MOST_READ


def test_a_user_with_too_many_rows_at_one_instant_is_not_packed() -> None:
    rows = stored([place // 400 for place in range(1200)])
    assert not keep_up_to(rows[799])
    assert_whole(rows, 1100)


def late(rows: Sequence[Row], minute: float) -> list[Row]:
    """Another row of the user, stored late, among the others."""
    row = replace(rows[0], id=uuid4(), txn_date=traffic.START + minute * MINUTE)
    store.write([row])
    return sorted([*rows, row], key=lambda row: (row.txn_date, row.id))


@pytest.mark.parametrize(
    "minute", [-5, 0, 17.5, 99], ids=["before all", "with the first", "among them", "with the last"]
)
def test_after_a_late_row_all_is_looked_up_until_it_is_packed_again(
    minute: float, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    rows = stored(range(110))
    assert keep_up_to(rows[99])
    rows = late(rows, minute)
    with django_assert_num_queries(2):
        assert past_of(rows[105]).loose == 106
    assert_whole(rows, 105)
    assert keep_up_to(rows[105])
    with django_assert_num_queries(1):
        assert past_of(rows[110]).loose == 5


def test_another_row_in_the_place_of_one_that_was_deleted_is_noticed() -> None:
    rows = stored(range(110))
    assert keep_up_to(rows[99])
    Transaction.objects.filter(pk=rows[50].id).delete()
    assert past_of(rows[105]).loose == 105
    store.write([replace(rows[50], id=uuid4())])
    assert past_of(rows[105]).loose == 106


def test_a_late_row_that_comes_in_while_packed_rows_are_read_is_noticed() -> None:
    rows = stored(range(110))
    assert keep_up_to(rows[99])
    values = {**store.row_values(rows[105]), **lookback.limits()}
    (own,) = round_trip.together((lookback.OF_STORED,), values)
    late(rows, 42.5)
    # Another process packs it, too, before the other half is asked for.
    assert keep_up_to(rows[99])
    (seen,) = round_trip.together((lookback.SEEN_BY_STORED,), values)
    found = lookback.read(own)
    assert found is not None
    assert not lookback.is_whole(found, seen)


def test_what_came_in_since_it_was_read_keeps_it_from_being_packed() -> None:
    rows = stored(range(110))
    read = past_of(rows[99])
    late(rows, 42.5)
    packed_rows.keep_read(rows[0].user_id, read)
    assert not PackedRows.objects.exists()


def test_rows_that_another_server_has_packed_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = stored(range(110))
    assert keep_up_to(rows[99])
    monkeypatch.setattr(lookback, "limits", lambda: lookback._limits(99))
    assert past_of(rows[105]).loose == 106
    assert lookback._limits(99)["layout"] != lookback._limits(18)["layout"]


def test_the_batch_packs_who_pays_these_days(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = traffic.rows(3000, users=25)
    few = [replace(rows[0], id=uuid4(), user_id=UUID(int=7), txn_date=row.txn_date) for row in rows[-20:]]
    intake.take([*rows, *few], score=False)
    backlog.score_pending()
    assert not PackedRows.objects.exists()  # All this is long ago.
    PendingScore.objects.bulk_create(
        PendingScore(user_id=user, since=traffic.START) for user in {row.user_id for row in (*rows, *few)}
    )
    monkeypatch.setattr(packed_rows, "ACTIVE", timedelta(days=10_000))
    backlog.score_pending()
    assert set(PackedRows.objects.values_list("user_id", flat=True)) == {row.user_id for row in rows}
    for user in {row.user_id for row in rows}:
        (newest,) = Transaction.objects.filter(user_id=user).order_by("-txn_date", "-id")[:1]
        next_ = replace(rows[0], id=uuid4(), user_id=user, txn_date=newest.txn_date + MINUTE)
        store.write([next_])
        assert past_of(next_).loose == 1
        assert_same_past(past_of(next_).rows, history.of_users([user], [traffic.START]).columns)


@pytest.fixture
def _server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Things are done after answers, as a server does."""
    monkeypatch.setattr(renewed, "_after_answers", renewed._AfterAnswers())
    with override_settings(LIVE_CACHE_S=600):
        renew_due()
        yield


@pytest.mark.usefixtures("_server")
def test_after_the_answer_a_live_score_packs_what_it_had_to_look_up() -> None:
    rows = made(range(160))
    store.write(rows[:60])
    looked_up = []
    for row in rows[60:]:
        intake.take([row])
        looked_up.append(past_of(row).loose)
        renew_due()
    # What is packed ends with the row that was answered then.
    assert looked_up == [61, *range(1, 33), *range(1, 33), *range(1, 33), 1, 2, 3]


@pytest.mark.usefixtures("_server")
@pytest.mark.parametrize("seed", [1, 2])
def test_rows_in_any_order_have_the_same_past_packed_or_not(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(packed_rows, "LOOSE_ROWS", 3)
    rows = traffic.rows(250, users=3, days=2)
    shuffled = [rows[i] for i in sorted(range(len(rows)), key=lambda i: i + random.Random(seed + i).randrange(12))]
    for row in shuffled:
        used: list[NDArray[np.int64]] = []

        def end_last(
            begun: list[float],
            past: NDArray[np.int64],
            seen: scoring.Seen | None,
            used: list[NDArray[np.int64]] = used,
        ) -> scoring.Features:
            used.append(past)
            return END_LAST(begun, past, seen)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(scoring, "end_last", end_last)
            intake.take([row])
        renew_due()
        expected = history.of_users([row.user_id], [traffic.START])
        place = next(i for i in range(len(expected)) if expected.id_of(i) == row.id)
        assert_same_past(used[-1], expected.columns.part(0, place + 1))
    assert PackedRows.objects.count() == 3


def copy_of(packed: PackedRows, **changes: object) -> PackedRows:
    return PackedRows(**{field.attname: getattr(packed, field.attname) for field in PackedRows._meta.fields} | changes)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_of_packed_rows_only_the_index_is_read(mode: str) -> None:
    rows = stored(range(500))
    store.write(traffic.rows(3000, users=30, seed=5))
    assert keep_up_to(rows[490])
    ours = PackedRows.objects.get()
    PackedRows.objects.bulk_create(copy_of(ours, user_id=uuid4(), content=b"") for _ in range(500))
    values = {**store.row_values(rows[495]), **lookback.limits()}
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) transactions, packed_rows")
        cursor.execute(f"SET plan_cache_mode = {mode}")
        plans = []
        for statement in (lookback.OF_GIVEN, lookback.SEEN_BY_GIVEN):
            cursor.execute("EXPLAIN (ANALYZE, TIMING false) " + statement.sql, values)
            plans.append("\n".join(line for (line,) in cursor.fetchall()))
        cursor.execute("RESET plan_cache_mode")
    own, seen = plans
    assert re.search(r"Index Scan using ix_user_date_amount_id on .*actual rows=4\b", own)
    assert re.search(r"Index Only Scan using ix_user_date_amount_id on .*actual rows=491", seen)
    for plan in plans:
        assert "Index Scan using packed_rows_pkey" in plan
        assert not re.search(r"Seq Scan on (transactions|packed_rows)", plan)


@pytest.mark.django_db(transaction=True)
def test_a_payment_does_not_wait_for_packed_rows_that_are_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "TURN_LIMIT_MS", 200)
    row = traffic.rows(1)[0]
    with psycopg.connect(**login_of(connection.get_connection_params())) as other:
        other.execute("LOCK TABLE packed_rows IN ACCESS EXCLUSIVE MODE")
        (taken,) = intake.take([row])
    assert (taken.outcome, taken.scored) == (Outcome.CREATED, TIMED_OUT)
    assert Transaction.objects.filter(pk=row.id).exists()
    assert dict(PendingScore.objects.values_list("user_id", "since")) == {row.user_id: row.txn_date}
