"""Scores use no labels: whatever is judged, and whenever that became known, a transaction's score stays."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.test import override_settings
from django.utils import timezone

from anomalies import verdicts
from anomalies.findings import Scored
from anomalies.models import Anomaly, PendingScore, Verdict
from tests.transactions import traffic
from transactions import backlog, intake, scorer
from transactions.rows import Row

pytestmark = pytest.mark.django_db


def explained(rows: Sequence[Row]) -> list[Scored]:
    told = [scorer.explain(user_id=row.user_id, txn_date=row.txn_date, id=row.id) for row in rows]
    return [one for one in told if isinstance(one, Scored)]


def judged(rows: Sequence[Row]) -> None:
    """Every row is a fraud for somebody and legitimate for somebody else, known before the row, after it, or today."""
    for place, row in enumerate(rows):
        known_at = (row.txn_date - timedelta(days=1), row.txn_date + timedelta(days=3), timezone.now())[place % 3]
        for value in (Verdict.Value.FRAUD, Verdict.Value.LEGITIMATE):
            verdicts.give(
                transaction_id=row.id, user_id=row.user_id, value=value, source="chargeback", known_at=known_at
            )


def test_verdicts_change_no_score_and_no_reason_live_or_in_batch() -> None:
    rows = traffic.rows(1_200, users=12)
    intake.take(rows, score=False)
    with override_settings(ANOMALY_FLOOR=0):
        backlog.score_pending()
    kept = dict(Anomaly.objects.values_list("transaction_id", "score"))
    some = rows[-20:]
    before = explained(some)
    judged(rows[-300:])
    assert len(before) == 20
    assert explained(some) == before
    PendingScore.objects.bulk_create(
        PendingScore(user_id=user, since=traffic.START) for user in {row.user_id for row in rows}
    )
    with override_settings(ANOMALY_FLOOR=0):
        assert backlog.score_pending().scored == len(kept)
    assert dict(Anomaly.objects.values_list("transaction_id", "score")) == kept
