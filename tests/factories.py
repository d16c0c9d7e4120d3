"""Objects for tests. Factories declare, they never compute: a test states what it depends on."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import factory
from django.conf import settings
from uuid_utils.compat import uuid7

from anomalies.findings import BUILT_IN_MODEL
from anomalies.models import Anomaly, Case, Reference, Verdict
from transactions.models import Transaction
from transactions.rows import Row

USER = UUID("0190a1b2-0000-7000-8000-000000000001")
START = datetime(2024, 6, 1, 12, tzinfo=UTC)


class AnalystFactory(factory.django.DjangoModelFactory):
    """Somebody who may log in to the admin; `is_superuser=True` for all rights."""

    class Meta:
        model = settings.AUTH_USER_MODEL

    username = factory.Sequence("analyst-{}".format)
    is_staff = True


class TransactionFactory(factory.django.DjangoModelFactory):
    """One user's payments a minute apart, 10.00 EUR each."""

    class Meta:
        model = Transaction

    id = factory.LazyFunction(uuid7)
    user_id = USER
    amount = Decimal("10.00")
    currency = "EUR"
    txn_date = factory.Sequence(lambda n: START + timedelta(minutes=n))
    status = "completed"
    meta_data = factory.LazyFunction(dict)


class RowFactory(factory.Factory):
    """What `rows.check` gives, for tests of what comes after it."""

    class Meta:
        model = Row

    id = factory.LazyFunction(uuid7)
    user_id = USER
    amount = Decimal("10.00")
    currency = "EUR"
    txn_date = factory.Sequence(lambda n: START + timedelta(minutes=n))
    status = "completed"
    meta_data = "{}"


class ReferenceFactory(factory.django.DjangoModelFactory):
    """What normal was before START; each one ends at an instant of its own."""

    class Meta:
        model = Reference

    since = START - timedelta(days=28)
    until = factory.Sequence(lambda n: START - timedelta(minutes=n))
    rows = 1_000
    payload = b""


class CaseFactory(factory.django.DjangoModelFactory):
    """An open case of a user of its own, with no anomalies yet."""

    class Meta:
        model = Case

    user_id = factory.LazyFunction(uuid4)
    priority = 72.0
    since = START - timedelta(days=14)
    latest_at = START


class AnomalyFactory(factory.django.DjangoModelFactory):
    """An anomaly of a user of its own, and its transaction: `transaction__amount` and the like say more of it."""

    class Meta:
        model = Anomaly

    transaction = factory.SubFactory(
        TransactionFactory, user_id=factory.LazyFunction(uuid4), meta_data={"merchant_id": "m-17"}
    )
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


class VerdictFactory(factory.django.DjangoModelFactory):
    """An analyst's verdict that became known now."""

    class Meta:
        model = Verdict

    transaction = factory.SubFactory(TransactionFactory)
    user_id = factory.SelfAttribute("transaction.user_id")
    value = "fraud"
