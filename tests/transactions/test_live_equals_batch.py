"""One function, two speeds: a transaction's score does not depend on how it came in."""

import os
import random
from collections.abc import Iterator
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import override_settings
from rest_framework.test import APIClient

import scoring
from anomalies import references, renewed
from anomalies.findings import Scored
from anomalies.models import Anomaly, Case
from anomalies.renewed import renew_due
from scoring import last_row, last_rows, last_score, last_visits
from tests.transactions import traffic
from transactions import backlog, intake, live
from transactions.models import Departure, PackedRows, Transaction
from transactions.rows import Row

# Each row is committed, as a server does: a database transaction of 100,000 savepoints, whose dead rows no vacuum may
# clear, does not end within hours.
pytestmark = pytest.mark.django_db(transaction=True)

FLOOR = 40


def scored_in_batch(rows: list[Row]) -> dict[UUID, float]:
    """The score of each row, with the references built from them, and then no row left in the table."""
    intake.take(rows, score=False)
    with override_settings(ANOMALY_FLOOR=0):
        backlog.score_pending()
    scores = kept_scores()
    # All kinds of evidence are at work, also that of other users.
    assert any(reason["code"] == "departures_14d" for one in Anomaly.objects.all() for reason in one.reasons)
    for model in (Anomaly, Case, Transaction, PackedRows, Departure):
        model.objects.all().delete()
    # Else every look at a user's or a merchant's past walks over the rows of the batch.
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) transactions, anomalies, cases, pending_scores")
    return scores


def kept_scores() -> dict[UUID, float]:
    return dict(Anomaly.objects.values_list("transaction_id", "score"))


def anomalous(scores: dict[UUID, float]) -> dict[UUID, float]:
    return {id: score for id, score in scores.items() if score >= FLOOR}  # noqa: A001


@pytest.fixture
def client() -> Iterator[APIClient]:
    client = APIClient()
    client.force_authenticate(User.objects.create_superuser("payments"))
    return client


def body(row: Row) -> str:
    return (
        f'{{"id":"{row.id}","user_id":"{row.user_id}","amount":"{row.amount}","currency":"{row.currency}",'
        f'"txn_date":"{row.txn_date.isoformat()}","status":"{row.status}","meta_data":{row.meta_data}}}'
    )


def compiled() -> list[int]:
    """For how many kinds of arguments each function that a live score calls is compiled."""
    called = (
        last_rows.laid,
        last_row.of_rows,
        last_visits.of_payments,
        last_score.surprises_of,
        last_score.contributions_of,
    )
    return [len(getattr(function, "signatures", ())) for function in called]


def replayed(rows: list[Row]) -> dict[UUID, float]:
    """The scores of rows that come in alone; those that late ones have changed are scored again at the end."""
    taken = []
    for row in rows:
        taken += intake.take([row])
        renew_due()
    live = {one.row.id: one.scored.score for one in taken if isinstance(one.scored, Scored)}
    # From here on every score is kept, not only the high ones.
    with override_settings(ANOMALY_FLOOR=0):
        backlog.score_pending()
    return live | kept_scores()


@pytest.fixture(autouse=True)
def _as_in_production(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a live score reads now and then is kept in memory, but nothing of it from an earlier test; and what it has
    looked up is packed after the answer.
    """
    monkeypatch.setattr(references, "_known", references._Known())
    monkeypatch.setattr(renewed, "_after_answers", renewed._AfterAnswers())
    with override_settings(LIVE_CACHE_S=3600):
        renew_due()
        yield
    live._threshold_of.cache_clear()


# In the suite, and `make replay` for longer: how many rows go through the door, and how many through its function. The
# door takes them in time order, so that in the suite the function need not.
POSTED = int(os.environ.get("REPLAY_POSTED", "5000"))
TAKEN = int(os.environ.get("REPLAY_TAKEN", "5000"))
ORDERS = ["in time", "shuffled"] if "REPLAY_TAKEN" in os.environ else ["shuffled"]
ROWS_A_USER = 130


@pytest.mark.slow
def test_rows_posted_one_by_one_score_as_in_the_batch(client: APIClient) -> None:
    rows = traffic.departing(traffic.rows(POSTED, users=max(POSTED // ROWS_A_USER, 1)))
    expected = scored_in_batch(rows)
    assert POSTED > len(expected) > 0.8 * POSTED
    scoring.get_ready()
    before, worst = compiled(), 0.0
    for row in rows:
        answer = client.post("/api/v1/transactions/", body(row), content_type="application/json")
        renew_due()
        assert answer.status_code == 201, answer.content
        score = answer.json()["score"]
        assert (score is None) == (row.id not in expected)
        worst = max(worst, abs((score or 0.0) - expected.get(row.id, 0.0)))
    assert worst < 1e-9
    # Nobody has waited for a compiler.
    assert compiled() == before
    assert PackedRows.objects.exists()
    assert kept_scores() == pytest.approx(anomalous(expected), abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS)
def test_rows_taken_in_any_order_end_with_the_scores_of_the_batch(order: str) -> None:
    rows = traffic.departing(traffic.rows(TAKEN, users=max(TAKEN // ROWS_A_USER, 1)))
    expected = scored_in_batch(rows)
    assert len(expected) > 0.5 * TAKEN
    if order == "shuffled":
        random.Random(3).shuffle(rows)
    assert replayed(rows) == pytest.approx(expected, abs=1e-9)
