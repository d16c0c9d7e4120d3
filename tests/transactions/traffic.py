"""Rows of ordinary users for tests: several currencies, ties in time, failed payments, a few spikes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import numpy as np
import orjson

from transactions.rows import Row

START = datetime(2025, 3, 1, tzinfo=UTC)


def rows(count: int, *, users: int = 40, days: int = 40, seed: int = 1) -> list[Row]:
    """`count` rows in the order (txn_date, id)."""
    random = np.random.default_rng(seed)
    ids = [UUID(bytes=random.bytes(16)) for _ in range(count)]
    people = [UUID(bytes=random.bytes(16)) for _ in range(users)]
    made = [_row(id, people[random.integers(users)], days, random) for id in ids]  # noqa: A001
    # Every tenth row happens at the same instant as another one of its user, or of anybody.
    moments = [row.txn_date for row in made]
    tied = [_at(row, moments[random.integers(count)]) if random.random() < 0.1 else row for row in made]
    return sorted(tied, key=lambda row: (row.txn_date, row.id))


def departing(rows: list[Row]) -> list[Row]:
    """The rows, of which some of the last sixth are at one merchant, and far larger than is usual for who pays."""
    late = len(rows) * 5 // 6
    return [
        replace(row, amount=row.amount * 40, currency="EUR", meta_data='{"merchant_id":"m1"}')
        if i > late and i % 30 == 0
        else row
        for i, row in enumerate(rows)
    ]


def _row(id: UUID, user: UUID, days: int, random: np.random.Generator) -> Row:  # noqa: A002
    level = 10 + user.int % 90
    amount = random.lognormal(np.log(level), 0.5) * (20 if random.random() < 0.01 else 1)
    return Row(
        id=id,
        user_id=user,
        amount=Decimal(round(amount * 100)) / 100,
        currency=str(random.choice(["EUR", "EUR", "EUR", "USD", "JPY"])),
        txn_date=START + timedelta(seconds=int(random.integers(days * 86_400))),
        status=str(random.choice(["completed", "completed", "completed", "failed"])),
        meta_data=_meta_data(user, random),
    )


def _meta_data(user: UUID, random: np.random.Generator) -> str:
    """Keys by which a payment may be new to its user; one in five rows has none, one in a few has them all."""
    if random.random() < 0.2:
        return "{}"
    keys: dict[str, object] = {"merchant_id": f"m{min(random.geometric(0.1), 50)}"}
    if random.random() < 0.8:
        keys["category"] = str(random.choice(["food", "food", "food", "fuel", "travel"]))
    if random.random() < 0.6:
        keys |= {"country": "GB" if random.random() < 0.03 else "DE", "device_id": user.int % 7}
    return orjson.dumps(keys, option=orjson.OPT_SORT_KEYS).decode()


def _at(row: Row, moment: datetime) -> Row:
    return Row(row.id, row.user_id, row.amount, row.currency, moment, row.status, row.meta_data)
