"""Findings as scoring would make them, for tests of what is done with them."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from anomalies.findings import BUILT_IN_MODEL, Finding, Scored
from anomalies.models import Reference
from tests.factories import START, ReferenceFactory

# A reason as scoring writes it: 910 where 50 is usual.
LARGE = {
    "code": "amount_over_median",
    "group": "amount",
    "contribution": 2.5,
    "observed": 910.0,
    "expected": 50.0,
    "values": {
        "amount": 910.0,
        "median": 50.0,
        "deviation": 4.0,
        "payments": 50.0,
        "ratio": 18.2,
        "times": 9.1,
        "last": 50.0,
    },
}


def reference() -> Reference:
    return Reference.objects.first() or ReferenceFactory()


def finding(
    *, user: UUID, score: float, at: datetime = START, transaction: UUID | None = None, **changes: Any
) -> Finding:
    scored = Scored(
        raw=changes.pop("raw", 2.5),
        rarity=10 ** (score / 20),
        score=score,
        level="medium",
        reasons=changes.pop("reasons", []),
        features=changes.pop("features", {}),
        reference_id=reference().pk,
        model_version_id=BUILT_IN_MODEL,
    )
    row = {"amount": Decimal("42.50"), "currency": "EUR", "status": "completed", "merchant_id": None, **changes}
    return Finding(transaction_id=transaction or uuid4(), user_id=user, txn_date=at, scored=scored, **row)
