"""Scoring what waits: complete, resumable, shared by several workers."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from anomalies import pending
from anomalies.models import Anomaly, Case, PendingScore
from tests.anomaly_server.programs import wait_until
from tests.transactions import traffic
from transactions import backlog, crew, history, intake, norms, pieces
from transactions.models import Transaction
from transactions.rows import Row

pytestmark = pytest.mark.django_db


def kept() -> dict[object, float]:
    return dict(Anomaly.objects.values_list("transaction_id", "score"))


def test_everything_that_waits_is_scored_once() -> None:
    intake.take(traffic.rows(3000), score=False)
    summary = backlog.score_pending()
    assert (summary.scored + summary.unscored, summary.users) == (3000, 40)
    assert not PendingScore.objects.exists()
    assert 0 < summary.anomalies == Anomaly.objects.count()
    assert backlog.score_pending().users == 0


def test_small_batches_and_large_ones_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    intake.take(traffic.rows(3000), score=False)
    backlog.score_pending()
    found = kept()
    Anomaly.objects.all().delete()
    pending.mark({row["user_id"]: traffic.START for row in Transaction.objects.values("user_id").distinct()})
    monkeypatch.setattr(backlog, "FIRST_BATCH_USERS", 1)
    monkeypatch.setattr(pieces, "ROWS_AT_ONCE", 100)
    backlog.score_pending()
    assert kept() == pytest.approx(found, abs=1e-9)


def test_a_stopped_run_says_so_and_the_next_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    intake.take(traffic.rows(1500), score=False)
    monkeypatch.setattr(backlog, "FIRST_BATCH_USERS", 10)
    first = backlog.score_pending(should_stop=lambda: PendingScore.objects.count() < 40)
    assert (first.stopped, first.users) == (True, 10)
    assert PendingScore.objects.count() == 30
    assert backlog.score_pending().users == 30


def test_a_run_that_breaks_off_leaves_its_batch_waiting() -> None:
    intake.take(traffic.rows(300), score=False)
    waiting = set(PendingScore.objects.values_list("user_id", flat=True))

    def broken_off() -> None:
        with transaction.atomic():
            pending.claim(10)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert set(PendingScore.objects.values_list("user_id", flat=True)) == waiting


def test_an_earlier_mark_is_never_moved_later() -> None:
    intake.take(traffic.rows(100, users=1), score=False)
    (mark,) = PendingScore.objects.all()
    pending.mark({mark.user_id: mark.since + timedelta(days=1)})
    assert PendingScore.objects.get().since == mark.since


def test_a_rescored_users_anomaly_goes_when_its_reason_does() -> None:
    rows = traffic.rows(3000)
    intake.take(rows, score=False)
    backlog.score_pending()
    anomaly = Anomaly.objects.filter(case=None).order_by("-score").first()
    assert anomaly is not None
    Transaction.objects.filter(pk=anomaly.pk).delete()
    pending.mark({anomaly.user_id: anomaly.txn_date})
    backlog.score_pending()
    assert not Anomaly.objects.filter(pk=anomaly.pk).exists()


def test_cases_open_for_the_last_fortnight_only() -> None:
    intake.take(traffic.rows(6000, days=60), score=False)
    summary = backlog.score_pending()
    assert summary.cases == Case.objects.count() > 0
    newest = Anomaly.objects.order_by("-txn_date").values_list("txn_date", flat=True)[0]
    assert all(case.latest_at >= newest - backlog.CASES_FOR for case in Case.objects.all())


def test_the_command_ends_with_one_line_or_one_json_object() -> None:
    intake.take(traffic.rows(1500), score=False)
    out = StringIO()
    call_command("score", "--json", stdout=out)
    summary = json.loads(out.getvalue())
    assert summary["scored"] + summary["unscored"] == 1500
    out = StringIO()
    call_command("score", stdout=out)
    assert out.getvalue().count("\n") == 1


def test_a_user_with_more_rows_than_fit_is_scored_in_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    intake.take(traffic.rows(3000, users=2), score=False)
    backlog.score_pending()
    found = kept()
    pending.mark({row["user_id"]: traffic.START for row in Transaction.objects.values("user_id").distinct()})
    cases_of = dict(Anomaly.objects.values_list("transaction_id", "case_id"))
    monkeypatch.setattr(pieces, "ROWS_AT_ONCE", 50)
    sizes: list[int] = []
    read = history.of_users

    def noted(*wanted: Any, **until: Any) -> history.History:
        past = read(*wanted, **until)
        sizes.append(int(past.wanted.sum()))
        return past

    monkeypatch.setattr(history, "of_users", noted)
    summary = backlog.score_pending()
    assert (summary.users, summary.scored + summary.unscored) == (2, 3000)
    # A few more only where several rows share an instant.
    assert max(sizes) < 60
    assert kept() == pytest.approx(found, abs=1e-9)
    assert dict(Anomaly.objects.values_list("transaction_id", "case_id")) == cases_of


def test_more_rows_at_one_instant_than_fit_are_scored_together(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [replace(row, txn_date=traffic.START) for row in traffic.rows(60, users=1)]
    intake.take([*rows, replace(rows[0], id=uuid4(), txn_date=traffic.START + timedelta(days=1))], score=False)
    monkeypatch.setattr(pieces, "ROWS_AT_ONCE", 50)
    summary = backlog.score_pending()
    assert (summary.users, summary.scored + summary.unscored) == (1, 61)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_an_anomaly_that_is_recorded_during_a_batch_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = traffic.rows(3000)
    intake.take(rows, score=False)
    backlog.score_pending()
    pending.mark({rows[0].user_id: traffic.START})
    at = traffic.START + timedelta(days=40, hours=1)
    late = replace(rows[0], id=uuid4(), amount=Decimal("9000.00"), txn_date=at)
    read = history.of_users

    def then_a_payment_comes(*wanted: Any, **until: Any) -> history.History:
        past = read(*wanted, **until)
        # Not when a reference is built.
        if wanted[0] == [late.user_id]:
            with ThreadPoolExecutor(1) as elsewhere:
                elsewhere.submit(in_other_session, late).result()
        return past

    monkeypatch.setattr(history, "of_users", then_a_payment_comes)
    backlog.score_pending()
    assert Anomaly.objects.filter(pk=late.id).exists()


SCORE = crew.Job("transactions.backlog.score_share")


def in_other_session(row: Row) -> None:
    intake.take([row])
    connection.close()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_several_processes_find_what_one_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    intake.take(traffic.rows(3000), score=False)
    alone = backlog.score_pending()
    found = kept()
    Anomaly.objects.all().delete()
    Case.objects.all().delete()
    pending.mark({row["user_id"]: traffic.START for row in Transaction.objects.values("user_id").distinct()})
    monkeypatch.setattr(backlog, "FIRST_BATCH_USERS", 1)
    told: list[tuple[int, int]] = []
    # This process leaves nearly all to its helper.
    monkeypatch.setattr(pieces, "ROWS_AT_ONCE", 50)
    summary = backlog.score_pending(workers=2, progress=lambda *done: told.append(done))
    assert kept() == pytest.approx(found, abs=1e-9)
    assert (summary.users, summary.scored, summary.anomalies) == (40, alone.scored, alone.anomalies)
    assert summary.cases == alone.cases == Case.objects.count()
    assert told[-1] == (40, 40)
    assert not PendingScore.objects.exists()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_helpers_tell_all_they_did() -> None:
    intake.take(traffic.rows(3000), score=False)
    norms.build_due()
    with crew.beside([SCORE] * 2) as helpers:
        helpers.begin(None)
        while helpers.at_work:
            helpers.listen(60)
    done = sum(helpers.told.values(), backlog.Summary())
    assert (done.users, done.scored + done.unscored, done.anomalies) == (40, 3000, Anomaly.objects.count())
    assert {member.exitcode for member in helpers.members.values()} == {0}


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_batch_of_a_killed_process_is_scored_by_another() -> None:
    intake.take(traffic.rows(3000), score=False)
    norms.build_due()
    with transaction.atomic():
        # It waits for this lock with its users claimed.
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE anomalies IN ACCESS EXCLUSIVE MODE")
        with crew.beside([SCORE]) as helpers:
            helpers.begin(None)
            (member,) = helpers.members.values()
            with ThreadPoolExecutor(1) as elsewhere:
                elsewhere.submit(wait_for_a_waiting_session).result()
            assert member.pid
            os.kill(member.pid, signal.SIGKILL)
            helpers.listen(60)
            assert (helpers.at_work, helpers.told) == (False, {})
    assert PendingScore.objects.count() == 40
    assert backlog.score_pending().users == 40


def wait_for_a_waiting_session() -> None:
    def waits() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'anomalies'::regclass")
            return bool(cursor.fetchone()[0])

    wait_until(waits)
    connection.close()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_helper_stops_when_nobody_is_there_to_hear() -> None:
    intake.take(traffic.rows(300), score=False)
    with crew.beside([SCORE]) as helpers:
        helpers.stop()
        (member,) = helpers.members.values()
        member.join(300)
        assert member.exitcode == 0
    assert PendingScore.objects.count() == 40
