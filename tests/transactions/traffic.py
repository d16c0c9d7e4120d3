"""Rows of ordinary users for tests: several currencies, ties in time, failed payments, a few spikes."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import numpy as np

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
        meta_data='{"merchant_id":"m%d"}' % random.integers(50),  # noqa: UP031
    )


def _at(row: Row, moment: datetime) -> Row:
    return Row(row.id, row.user_id, row.amount, row.currency, moment, row.status, row.meta_data)
