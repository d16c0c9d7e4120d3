"""Payments that the Python client sends."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from anomaly_client import NewTransaction

START = datetime(2024, 6, 1, 12, tzinfo=UTC)


def new(**more: Any) -> NewTransaction:
    fields = {"user_id": uuid4(), "amount": Decimal("12.50"), "currency": "EUR", "txn_date": START}
    return NewTransaction(**{**fields, "status": "completed", **more})


def series(count: int) -> list[NewTransaction]:
    """One user's, a minute apart."""
    user = uuid4()
    return [new(user_id=user, txn_date=START + timedelta(minutes=n)) for n in range(count)]
