"""What tests are made of. Factories declare; what a test is about, it says itself."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import factory
from django.contrib.auth.models import User
from factory.django import DjangoModelFactory

from anomalies.findings import BUILT_IN_MODEL
from anomalies.models import Anomaly, Case, Reference, Verdict
from transactions.models import Transaction

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class TransactionFactory(DjangoModelFactory[Transaction]):
    class Meta:
        model = Transaction

    user_id = factory.LazyFunction(uuid4)
    amount = Decimal("42.50")
    currency = "EUR"
    txn_date = factory.Sequence(lambda n: NOON + timedelta(minutes=n))
    status = "completed"
    meta_data = factory.LazyFunction(lambda: {"merchant_id": "m-17"})


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User

    username = factory.Sequence(lambda n: f"person{n}")


class ReferenceFactory(DjangoModelFactory[Reference]):
    class Meta:
        model = Reference

    since = NOON - timedelta(days=28)
    until = factory.Sequence(lambda n: NOON - timedelta(minutes=n))
    rows = 1_000
    payload = b""


class CaseFactory(DjangoModelFactory[Case]):
    class Meta:
        model = Case

    user_id = factory.LazyFunction(uuid4)
    priority = 72.0
    since = NOON - timedelta(days=14)
    latest_at = NOON


class AnomalyFactory(DjangoModelFactory[Anomaly]):
    """An anomaly and the transaction it speaks of; give `transaction__amount` and the like to say more."""

    class Meta:
        model = Anomaly

    transaction = factory.SubFactory(TransactionFactory)
    user_id = factory.SelfAttribute("transaction.user_id")
    amount = factory.SelfAttribute("transaction.amount")
    currency = factory.SelfAttribute("transaction.currency")
    txn_date = factory.SelfAttribute("transaction.txn_date")
    status = factory.SelfAttribute("transaction.status")
    merchant_id = factory.LazyAttribute(lambda anomaly: anomaly.transaction.meta_data.get("merchant_id"))
    score = 65.0
    rarity = 1_778.0
    raw = 3.25
    reasons = factory.LazyFunction(list)
    features = factory.LazyFunction(dict)
    reference = factory.SubFactory(ReferenceFactory)
    model_version_id = BUILT_IN_MODEL


class VerdictFactory(DjangoModelFactory[Verdict]):
    class Meta:
        model = Verdict

    transaction = factory.SubFactory(TransactionFactory)
    user_id = factory.SelfAttribute("transaction.user_id")
    value = "fraud"
