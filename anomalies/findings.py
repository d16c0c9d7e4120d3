"""What scoring says of one transaction, on its way from the scorer to the records and to the doors."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

# The built-in sum of surprises, put in place by the migration `0002_built_in_model`.
BUILT_IN_MODEL = UUID("00000000-0000-7000-8000-000000000001")


@dataclass(frozen=True, slots=True)
class Scored:
    """A score and its parts; the contributions of `reasons` add up to `raw`.

    sentences: of each reason, where there was time to write them in the language of whoever asks.
    """

    raw: float
    rarity: float
    score: float
    level: str
    reasons: list[dict[str, Any]]
    features: dict[str, float]
    reference_id: UUID
    model_version_id: UUID
    sentences: Sequence[str] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Unscored:
    """Why a transaction has no score: a code, and a sentence for people."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A scored transaction, with what an anomaly keeps of it."""

    transaction_id: UUID
    user_id: UUID
    amount: Decimal
    currency: str
    txn_date: datetime
    status: str
    merchant_id: str | None
    scored: Scored
