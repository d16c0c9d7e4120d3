"""One function, two speeds: a transaction's score does not depend on how it came in."""

import random
from collections.abc import Iterator
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from rest_framework.test import APIClient

from anomalies.models import Anomaly, Case
from tests.transactions import traffic
from transactions import backlog, intake
from transactions.models import Transaction
from transactions.rows import Row

pytestmark = pytest.mark.django_db


FLOOR = 40


def scored_in_batch(rows: list[Row]) -> dict[UUID, float]:
    """The score of each row, with the references built from them, and then no row left in the table."""
    intake.take(rows, score=False)
    with override_settings(ANOMALY_FLOOR=0):
        backlog.score_pending()
    scores = kept_scores()
    for model in (Anomaly, Case, Transaction):
        model.objects.all().delete()
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


@pytest.mark.slow
def test_5000_rows_posted_one_by_one_score_as_in_the_batch(client: APIClient) -> None:
    rows = traffic.rows(5700)
    expected = scored_in_batch(rows)
    assert len(expected) >= 5000
    worst = 0.0
    for row in rows:
        answer = client.post("/api/v1/transactions/", body(row), content_type="application/json")
        assert answer.status_code == 201, answer.content
        score = answer.json()["score"]
        assert (score is None) == (row.id not in expected)
        worst = max(worst, abs((score or 0.0) - expected.get(row.id, 0.0)))
    assert worst < 1e-9
    assert kept_scores() == pytest.approx(anomalous(expected), abs=1e-9)


def test_rows_that_arrive_in_any_order_end_with_the_scores_of_the_batch() -> None:
    rows = traffic.rows(1500, users=15)
    expected = scored_in_batch(rows)
    random.Random(3).shuffle(rows)
    for row in rows:
        intake.take([row])
    backlog.score_pending()
    assert kept_scores() == pytest.approx(anomalous(expected), abs=1e-9)
