"""Scoring what waits: complete, resumable, shared by several workers."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import transaction

from anomalies import pending
from anomalies.models import Anomaly, Case, PendingScore
from tests.transactions import traffic
from transactions import backlog, intake
from transactions.models import Transaction

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
    monkeypatch.setattr(backlog, "ROWS_AT_ONCE", 100)
    backlog.score_pending()
    assert kept() == pytest.approx(found, abs=1e-9)


def test_a_stopped_run_says_so_and_the_next_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    intake.take(traffic.rows(1500), score=False)
    monkeypatch.setattr(backlog, "FIRST_BATCH_USERS", 10)
    asked = iter([False, True])
    first = backlog.score_pending(should_stop=lambda: next(asked))
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
