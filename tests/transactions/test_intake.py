"""The way of a transaction: stored, scored, recorded; nothing that scoring does can lose a row."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from threading import Thread

import psycopg
import pytest
from django.db import connection
from django.test import override_settings
from pytest_django.fixtures import DjangoAssertNumQueries

from anomalies import references, round_trip
from anomalies.findings import Scored, Unscored
from anomalies.models import Anomaly, Case, PendingScore, Reference
from anomalies.round_trip import Statement, Talk
from scoring.reference import VERSION
from tests.conftest import login_of
from tests.transactions import traffic
from transactions import backlog, intake, live, store
from transactions.models import Transaction
from transactions.rows import Row
from transactions.store import Outcome
from transactions.taken import FAILED, LATER, TIMED_OUT


def known_traffic(count: int = 3000) -> list[Row]:
    """Traffic that is stored and scored, in order, so that what comes next has a past and a reference."""
    rows = traffic.rows(count)
    intake.take(rows, score=False)
    backlog.score_pending()
    return rows


def next_of(row: Row, **changes: object) -> Row:
    """Another payment of the same user, an hour after the traffic ends."""
    later = {"id": Transaction().id, "txn_date": traffic.START + timedelta(days=40, hours=1)}
    return replace(row, **{**later, **changes})


@pytest.mark.django_db
def test_a_payment_far_above_the_users_habit_becomes_an_anomaly_with_a_case() -> None:
    past = known_traffic()
    (taken,) = intake.take([next_of(past[0], amount=Decimal("9000.00"), currency="EUR")])
    assert taken.outcome is Outcome.CREATED
    assert isinstance(taken.scored, Scored)
    assert taken.scored.score >= 60
    assert sum(reason["contribution"] for reason in taken.scored.reasons) == pytest.approx(taken.scored.raw, abs=1e-9)
    anomaly = Anomaly.objects.get(pk=taken.row.id)
    assert anomaly.score == taken.scored.score
    assert anomaly.case.user_id == taken.row.user_id


@pytest.mark.django_db
def test_an_ordinary_payment_is_answered_with_a_low_score_and_kept_nowhere_else() -> None:
    past = known_traffic()
    anomalies = Anomaly.objects.count()
    (taken,) = intake.take([next_of(past[0])])
    assert isinstance(taken.scored, Scored)
    assert taken.scored.score < 40
    assert Anomaly.objects.count() == anomalies


@pytest.mark.django_db
def test_the_same_payment_again_gets_the_same_answer_and_leaves_no_second_trace() -> None:
    past = known_traffic()
    row = next_of(past[0], amount=Decimal("9000.00"))
    (first,) = intake.take([row])
    anomalies, cases = Anomaly.objects.count(), Case.objects.count()
    (again,) = intake.take([row])
    assert (first.outcome, again.outcome) == (Outcome.CREATED, Outcome.DUPLICATE)
    assert again.scored == first.scored
    assert (Anomaly.objects.count(), Case.objects.count()) == (anomalies, cases)


@pytest.mark.django_db
def test_the_same_id_with_other_content_is_refused_and_the_stored_row_stays() -> None:
    past = known_traffic(600)
    (taken,) = intake.take([replace(past[0], amount=past[0].amount + 1, currency="CHF")])
    assert taken.outcome is Outcome.CONFLICT
    assert set(taken.fields) == {"amount", "currency"}
    assert Transaction.objects.get(pk=past[0].id).amount == past[0].amount


@pytest.mark.django_db
def test_many_rows_wait_from_the_first_of_each_user_on() -> None:
    rows = traffic.rows(200, users=5)
    intake.take(rows, score=False)
    waiting = dict(PendingScore.objects.values_list("user_id", "since"))
    assert waiting == {
        user: min(row.txn_date for row in rows if row.user_id == user) for user in {row.user_id for row in rows}
    }


@pytest.mark.django_db
def test_a_late_row_makes_the_later_rows_of_its_user_wait_again() -> None:
    past = known_traffic()
    early = replace(next_of(past[0]), txn_date=past[0].txn_date - timedelta(seconds=1))
    intake.take([early])
    assert list(PendingScore.objects.values_list("user_id", "since")) == [(early.user_id, early.txn_date)]


@pytest.mark.django_db
def test_a_row_in_order_makes_nobody_wait() -> None:
    past = known_traffic()
    intake.take([next_of(past[0])])
    assert not PendingScore.objects.exists()


@pytest.mark.django_db
def test_before_any_reference_there_is_no_score_and_a_reason_for_that() -> None:
    (taken,) = intake.take([traffic.rows(1)[0]])
    assert isinstance(taken.scored, Unscored)
    assert taken.scored.code == "no_reference"
    assert Transaction.objects.filter(pk=taken.row.id).exists()


@pytest.mark.django_db
def test_when_scoring_breaks_the_row_is_stored_and_waits() -> None:
    past = known_traffic()
    # A reference that nobody can read: what a bug or a damaged row would look like.
    broken = Reference.objects.create(
        since=traffic.START,
        until=traffic.START + timedelta(days=40, minutes=1),
        rows=1,
        payload=b"not a reference",
        version=VERSION,
    )
    (taken,) = intake.take([next_of(past[0])])
    assert taken.scored == FAILED
    assert Transaction.objects.filter(pk=taken.row.id).exists()
    assert PendingScore.objects.filter(user_id=taken.row.user_id).exists()
    broken.delete()
    backlog.score_pending()
    assert not PendingScore.objects.exists()


@pytest.mark.django_db
def test_a_score_costs_the_same_queries_however_long_the_history(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    past = known_traffic()
    intake.take([next_of(past[0])])
    row = next_of(past[0], txn_date=traffic.START + timedelta(days=40, hours=2))
    # Two for the savepoint that the test's transaction makes of the outer block; then the lock with the insert, the
    # beginning of scoring and the history, and its end. The reference in force is known.
    with override_settings(LIVE_CACHE_S=60):
        references.in_force(row.txn_date)
        with django_assert_num_queries(4):
            intake.take([row])


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_payment_does_not_wait_for_scoring_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    past = known_traffic()
    row = next_of(past[0], amount=Decimal("9000.00"))
    monkeypatch.setattr(store, "TURN_LIMIT_MS", 200)
    timeouts = live.FAILURES.labels("timed_out")._value.get()
    with psycopg.connect(**login_of(connection.get_connection_params())) as other:
        # What a migration of the table does.
        other.execute("LOCK TABLE anomalies IN ACCESS EXCLUSIVE MODE")
        (taken,) = intake.take([row])
        assert (taken.outcome, taken.scored) == (Outcome.CREATED, TIMED_OUT)
    assert Transaction.objects.filter(pk=row.id).exists()
    assert dict(PendingScore.objects.values_list("user_id", "since")) == {row.user_id: row.txn_date}
    assert live.FAILURES.labels("timed_out")._value.get() == timeouts + 1
    backlog.score_pending()
    assert Anomaly.objects.filter(pk=row.id).exists()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize("broken", ["scoring.explain", "transactions.live.sentences"])
def test_a_row_whose_reasons_cannot_be_told_is_stored_and_waits(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    past = known_traffic()
    row = next_of(past[0])
    with monkeypatch.context() as patch:
        # The reasons of an ordinary row are told while it is committed.
        patch.setattr(broken, lambda *_: 1 // 0)
        (taken,) = intake.take([row])
    assert (taken.outcome, taken.scored) == (Outcome.CREATED, FAILED)
    assert Transaction.objects.filter(pk=row.id).exists()
    assert dict(PendingScore.objects.values_list("user_id", "since")) == {row.user_id: row.txn_date}


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_row_whose_commit_is_lost_is_stored_on_another_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    past = known_traffic()
    row = next_of(past[0])
    reply = Talk.reply

    def lost(talk: Talk) -> Sequence[Statement]:
        with psycopg.connect(**login_of(connection.get_connection_params()), autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
        said = reply(talk)
        assert round_trip.COMMIT in said
        return said

    monkeypatch.setattr(Talk, "reply", lost)
    (taken,) = intake.take([row])
    assert (taken.outcome, taken.scored) == (Outcome.CREATED, FAILED)
    assert dict(PendingScore.objects.values_list("user_id", "since")) == {row.user_id: row.txn_date}


@pytest.mark.django_db
def test_the_time_limit_of_scoring_ends_with_it() -> None:
    past = known_traffic(600)
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        before = cursor.fetchone()
        intake.take([next_of(past[0])])
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == before


@pytest.mark.django_db
def test_without_live_scoring_a_payment_waits_for_the_worker() -> None:
    past = known_traffic()
    row = next_of(past[0], amount=Decimal("9000.00"))
    with override_settings(LIVE_SCORING=False):
        (taken,) = intake.take([row])
        (again,) = intake.take([row])
    assert (taken.scored, again.scored) == (LATER, LATER)
    assert (taken.outcome, again.outcome) == (Outcome.CREATED, Outcome.DUPLICATE)
    assert not Anomaly.objects.filter(pk=row.id).exists()
    backlog.score_pending()
    assert Anomaly.objects.filter(pk=row.id).exists()


@pytest.mark.django_db
def test_a_live_score_goes_by_the_references_of_the_last_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "_known", references._Known())
    later = traffic.START + timedelta(days=50)
    with override_settings(LIVE_CACHE_S=600):
        assert references.in_force(later) is None
        known_traffic()
        assert references.in_force(later) is None
    with override_settings(LIVE_CACHE_S=0):
        assert references.in_force(later) is not None


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_payments_of_one_user_at_once_see_each_other() -> None:
    past = known_traffic()
    rows = [next_of(past[0], amount=Decimal(50 + i)) for i in range(6)]

    def take(row: Row) -> None:
        intake.take([row])
        connection.close()

    threads = [Thread(target=take, args=(row,)) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Transaction.objects.filter(id__in=[row.id for row in rows]).count() == len(rows)
    # All happened at one instant: whoever came in before one with a smaller id has marked it.
    backlog.score_pending()
    assert not PendingScore.objects.exists()
