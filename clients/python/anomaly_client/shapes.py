"""What the API takes and answers, as typed values: money is Decimal, times know their zone.

Fields that a newer server adds are passed over: that is what it calls a compatible change.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints
from uuid import UUID, uuid4

Shape = TypeVar("Shape")


@dataclass(frozen=True, kw_only=True)
class NewTransaction:
    """A transaction to be stored. Its `id` is made here, so that sending it again is harmless."""

    user_id: UUID
    amount: Decimal
    currency: str
    txn_date: datetime
    status: str
    meta_data: Mapping[str, Any] = field(default_factory=dict)
    id: UUID = field(default_factory=uuid4)

    def __post_init__(self) -> None:
        if not isinstance(self.amount, Decimal):
            raise TypeError("The amount must be a Decimal: a float has lost digits already.")
        if self.txn_date.tzinfo is None:
            raise ValueError("txn_date must know its time zone.")

    def body(self) -> dict[str, Any]:
        return {
            "id": str(self.id),
            "user_id": str(self.user_id),
            "amount": format(self.amount, "f"),
            "currency": self.currency,
            "txn_date": self.txn_date.isoformat(),
            "status": self.status,
            "meta_data": dict(self.meta_data),
        }


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One part of a score; the contributions of all add up to `raw`."""

    code: str
    group: str
    contribution: float
    observed: float
    expected: float
    values: dict[str, Any]
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Unscored:
    """Why there is no score."""

    code: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Transaction:
    id: UUID
    user_id: UUID
    amount: Decimal
    currency: str
    txn_date: datetime
    status: str
    meta_data: dict[str, Any]
    merchant_id: str | None
    received_at: datetime


@dataclass(frozen=True, kw_only=True)
class ScoredTransaction(Transaction):
    """A stored transaction with its score; without one, `unscored` says why."""

    score: float | None
    rarity: float | None
    level: str | None
    raw: float | None
    reasons: list[Reason]
    unscored: Unscored | None


@dataclass(frozen=True, kw_only=True)
class Explanation:
    transaction_id: UUID
    score: float | None
    rarity: float | None
    level: str | None
    raw: float | None
    reasons: list[Reason]
    unscored: Unscored | None
    features: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Anomaly:
    transaction_id: UUID
    user_id: UUID
    amount: Decimal
    currency: str
    txn_date: datetime
    status: str
    merchant_id: str | None
    score: float
    rarity: float
    level: str
    raw: float
    reasons: list[Reason]
    case_id: UUID | None
    found_at: datetime


@dataclass(frozen=True, kw_only=True)
class Case:
    id: UUID
    user_id: UUID
    state: str
    priority: float
    anomaly_count: int
    opened_at: datetime
    latest_at: datetime
    assignee: str | None
    outcome: str | None
    closed_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    id: UUID
    transaction_id: UUID
    user_id: UUID
    value: str
    source: str
    author: str | None
    note: str
    known_at: datetime


@dataclass(frozen=True, kw_only=True)
class User:
    user_id: UUID
    first_seen: datetime
    last_seen: datetime
    open_case_id: UUID | None


def read(kind: type[Shape], body: Mapping[str, Any]) -> Shape:
    """The value of this kind in a JSON object."""
    known: Callable[[Any], dict[str, Any]] = _hints
    return kind(**{name: _value(hint, body[name]) for name, hint in known(kind).items()})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {one.name: hints[one.name] for one in fields(kind)}


def _value(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if get_origin(hint) is UnionType:
        (hint,) = (one for one in get_args(hint) if one is not type(None))
    if get_origin(hint) is list:
        return [_value(get_args(hint)[0], one) for one in value]
    if hint in (UUID, Decimal):
        return hint(value)
    if hint is datetime:
        return datetime.fromisoformat(value)
    if hint is float:
        return float(value)
    return read(hint, value) if hasattr(hint, "__dataclass_fields__") else value
