"""Verdicts are added, never changed, and count from when they became known."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from anomalies import verdicts
from anomalies.models import Verdict
from anomalies.verdicts import VerdictError
from tests.factories import START, AnalystFactory, AnomalyFactory, CaseFactory, TransactionFactory, VerdictFactory

pytestmark = pytest.mark.django_db


def test_a_verdict_says_who_what_and_since_when():
    row, ana = TransactionFactory(), AnalystFactory()
    verdict = verdicts.give(
        transaction_id=row.pk, user_id=row.user_id, value="expected", author=ana, note=" Travels a lot.\n"
    )
    assert (verdict.author, verdict.source, verdict.note) == (ana, "analyst", "Travels a lot.")
    assert abs(timezone.now() - verdict.known_at) < timedelta(seconds=5)


def test_a_chargeback_has_a_source_and_its_own_date():
    row = TransactionFactory()
    verdict = verdicts.give(
        transaction_id=row.pk, user_id=row.user_id, value="fraud", source="chargeback", known_at=START
    )
    assert (verdict.author, verdict.source, verdict.known_at) == (None, "chargeback", START)


def test_a_second_verdict_stands_beside_the_first():
    row = TransactionFactory()
    for value in ("unsure", "fraud"):
        verdicts.give(transaction_id=row.pk, user_id=row.user_id, value=value)
    assert list(Verdict.objects.values_list("value", flat=True)) == ["fraud", "unsure"]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"value": "guilty"}, "is no verdict: choose one of fraud, legitimate, expected, unsure"),
        ({"note": "x" * 2_001}, "A note has at most 2,000 characters"),
        ({"note": "a\0b"}, "A note has at most 2,000 characters, none of them NUL"),
        ({"source": ""}, "A source has 1 to 32 printable characters"),
        ({"source": "x" * 33}, "A source has 1 to 32 printable characters"),
        ({"known_at": timezone.now() + timedelta(days=1)}, "cannot have become known in the future"),
    ],
)
def test_a_verdict_that_cannot_be_taken_says_why_and_is_not_kept(wrong, sentence):
    with pytest.raises(VerdictError, match=sentence):
        verdicts.give(**{"transaction_id": uuid4(), "user_id": uuid4(), "value": "fraud", **wrong})
    assert not Verdict.objects.exists()


def test_unjudged_are_the_cases_anomalies_without_a_verdict_oldest_first():
    case = CaseFactory()
    late = AnomalyFactory(user_id=case.user_id, case=case, transaction__txn_date=START + timedelta(days=1))
    early = AnomalyFactory(user_id=case.user_id, case=case, transaction__txn_date=START)
    judged = AnomalyFactory(user_id=case.user_id, case=case)
    VerdictFactory(transaction=judged.transaction)
    AnomalyFactory(user_id=case.user_id)
    assert verdicts.unjudged(case) == [early.pk, late.pk]
