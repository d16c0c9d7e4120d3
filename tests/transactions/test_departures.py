"""Which payments depart is kept by whatever way a payment comes, told anew with its user, and read by an index."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from django.db import connection
from pytest_django.fixtures import DjangoAssertNumQueries

import scoring
from anomalies.findings import Scored
from anomalies.models import PendingScore, Reference
from tests.transactions import traffic
from transactions import backlog, crew, departures, history, intake, lookback, norms, pieces, scorer, store
from transactions.models import Departure, Transaction
from transactions.rows import Row
from transactions.store import Outcome

pytestmark = pytest.mark.django_db


def kept() -> set[UUID]:
    return set(Departure.objects.values_list("transaction_id", flat=True))


def told() -> set[UUID]:
    """Those of what is stored, by the whole histories."""
    users = pieces.everybody()
    past = history.of_users(users, [traffic.START - timedelta(days=400)] * len(users))
    departs = scoring.departing(past.columns) & (past.columns.merchant != 0)
    return {past.id_of(int(row)) for row in np.flatnonzero(departs)}


def after(rows: Sequence[Row], **changes: Any) -> Row:
    """The first row's user pays again at the end, at a merchant."""
    at = traffic.START + timedelta(days=40, hours=1)
    row = replace(rows[0], id=uuid4(), txn_date=at, currency="EUR", meta_data='{"merchant_id":"m1"}')
    return replace(row, **changes)


@pytest.fixture
def rows() -> list[Row]:
    """Ordinary traffic, scored."""
    rows = traffic.departing(traffic.rows(3_000))
    intake.take(rows, score=False)
    backlog.score_pending()
    return rows


def test_a_run_keeps_what_departs_of_all_that_it_scores(rows: list[Row]) -> None:
    assert kept() == told()
    assert 20 < len(kept()) < 0.1 * len(rows)
    kept_as = {(one.user_id, one.merchant_id, one.currency, one.txn_date) for one in Departure.objects.all()}
    paid = Transaction.objects.filter(id__in=kept())
    assert kept_as == {(one.user_id, one.merchant_id, one.currency, one.txn_date) for one in paid}


def test_a_live_payment_that_departs_is_kept_and_one_that_does_not_is_not(rows: list[Row]) -> None:
    before = kept()
    large = after(rows, amount=Decimal(90_000))
    nowhere = after(rows, amount=Decimal(90_000), meta_data="{}")
    usual = after(rows, amount=rows[0].amount)
    for row in (usual, nowhere, large):
        intake.take([row])
    assert kept() - before == {large.id}
    assert kept() == told()


def test_a_payment_that_departs_asks_nothing_more(
    rows: list[Row], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    intake.take([after(rows)])  # Whatever is read once a process.
    usual, large = after(rows), after(rows, amount=Decimal(90_000))
    store.write([usual, large])
    for row in (usual, large):
        with django_assert_num_queries(1):
            scorer.features_of(user_id=row.user_id, txn_date=row.txn_date, id=row.id)


def test_another_payment_with_the_id_of_one_that_is_stored_is_not_kept_for_it(rows: list[Row]) -> None:
    usual = after(rows)
    intake.take([usual])
    (taken,) = intake.take([replace(usual, amount=Decimal(90_000))])
    assert taken.outcome is Outcome.CONFLICT
    assert usual.id not in kept()
    assert kept() == told()


def test_other_departures_at_the_merchant_raise_a_live_score(rows: list[Row]) -> None:
    alone = after(rows, amount=Decimal(90_000), meta_data='{"merchant_id":"m40"}')
    (first,) = intake.take([alone])
    (among,) = intake.take([after(rows, amount=Decimal(90_000))])
    assert isinstance(first.scored, Scored)
    assert isinstance(among.scored, Scored)
    (reason,) = [one for one in among.scored.reasons if one["group"] == "departures"]
    assert reason["observed"] > 5
    assert reason["contribution"] > 1
    assert "departures" not in {one["group"] for one in first.scored.reasons}
    again = scorer.explain(user_id=rows[0].user_id, txn_date=alone.txn_date, id=among.row.id)
    assert isinstance(again, Scored)
    assert again.raw == pytest.approx(among.scored.raw, abs=1e-9)


def test_what_departed_is_told_anew_when_an_earlier_payment_comes_late(rows: list[Row]) -> None:
    # Of a user with hardly a past 600 is far above all; with what comes late, it is not.
    user = uuid4()
    past = [
        after(rows, user_id=user, amount=Decimal(amount), txn_date=traffic.START + timedelta(days=40, hours=hour))
        for hour, amount in enumerate([20] * 10 + [600])
    ]
    for row in past:
        intake.take([row])
    assert past[-1].id in kept()
    for minute in range(12):
        intake.take(
            [
                replace(
                    past[0], id=uuid4(), amount=Decimal(500), txn_date=past[9].txn_date + timedelta(minutes=minute + 1)
                )
            ]
        )
    assert PendingScore.objects.filter(user_id=user).exists()
    backlog.score_pending()
    assert past[-1].id not in kept()
    assert kept() == told()


def test_what_was_deleted_is_forgotten_with_its_user_s_next_look(rows: list[Row]) -> None:
    gone = Departure.objects.earliest("txn_date")
    Transaction.objects.filter(pk=gone.transaction_id).delete()
    PendingScore.objects.create(user_id=gone.user_id, since=gone.txn_date)
    backlog.score_pending()
    assert gone.transaction_id not in kept()


def test_a_server_that_was_upgraded_looks_at_everything_before_it_builds_references(rows: list[Row]) -> None:
    expected = kept()
    Departure.objects.all().delete()
    norms.build_due()
    assert not kept()  # Nothing is due.
    for reference in Reference.objects.all():
        Reference.objects.filter(pk=reference.pk).update(version=reference.version - 1)
    assert norms.build_due() > 0
    assert kept() == expected


def test_a_live_score_that_fails_keeps_nothing(rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    before = kept()
    monkeypatch.setattr(scorer, "judge_one", fails)
    (taken,) = intake.take([after(rows, amount=Decimal(90_000))])
    assert not isinstance(taken.scored, Scored)
    assert kept() == before
    monkeypatch.undo()
    backlog.score_pending()
    assert kept() - before == {taken.row.id}


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize("is_lost", [False, True], ids=["as told", "one is lost"])
def test_several_processes_keep_what_one_keeps(monkeypatch: pytest.MonkeyPatch, is_lost: bool) -> None:
    store.write(traffic.departing(traffic.rows(2_000)))
    monkeypatch.setattr(departures, "ALONE", 1)
    if is_lost:
        # It ends at once, and with an error: there is no such work.
        monkeypatch.setattr(departures, "Job", lambda work, args: crew.Job(f"{work}_not", args))
    departures.bring_up_to_date(workers=2)
    assert kept() == told()
    assert kept()


def test_a_run_that_is_stopped_looks_no_further_and_builds_nothing() -> None:
    intake.take(traffic.departing(traffic.rows(2_000)), score=False)
    summary = backlog.score_pending(should_stop=lambda: True)
    assert (summary.stopped, summary.references, kept()) == (True, 0, set())
    backlog.score_pending()
    assert kept() == told()


def test_departures_are_read_by_one_range_scan(rows: list[Row]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE transactions, departures")
    paid = Transaction.objects.filter(merchant_id="m1", currency="EUR").latest("txn_date")
    for mode in ("force_custom_plan", "force_generic_plan"):
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL plan_cache_mode = {mode}")
            cursor.execute("SET LOCAL enable_seqscan = off")
            values = {**lookback.limits(), "id": paid.id, "user_id": paid.user_id}
            cursor.execute("EXPLAIN (FORMAT JSON) " + lookback.SEEN_BY_STORED.sql, values)
            (found,) = cursor.fetchone()
        plan = json.dumps(found)
        assert "ix_departure_merchant" in plan
        assert "Seq Scan" not in plan
