"""Objects for tests. Factories declare, they never compute: a test states what it depends on."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import factory
from django.conf import settings
from uuid_utils.compat import uuid7

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
