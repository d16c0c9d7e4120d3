"""Rows of the lean list are the declared serializer's, whatever is stored: the same values, in the same order."""

import json
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from tests.api import BASE, reader
from tests.factories import TransactionFactory
from transactions.api.serializers import TransactionSerializer
from transactions.models import Transaction

TEXTS = (
    "",
    "m-1",
    "ü",
    "\u2028\u2029",
    '"\\/\b\f\n\r\t',
    "\x01\x1f\x7f",
    "😀",
    "\ud7ff\ue000\uffff",
    "</script>",
    "null",
)
NUMBERS = (0, -1, 2**53 + 1, -(2**63), 10**30, 1.5, -0.0, 1e-7, 1e300, 0.1 + 0.2)
AMOUNTS = ("0.00", "0.01", "12.30", "999999999999999999.99", "100000000000000000.00", "7.00")
MICROSECONDS = (0, 1, 10, 100_000, 120_000, 999_999)


def made_up(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.randrange(7 if depth < 4 else 5)
    if kind < 5:
        return [None, True, False, chance.choice(TEXTS), chance.choice(NUMBERS)][kind]
    inner = [made_up(chance, depth + 1) for _ in range(chance.randrange(4))]
    return inner if kind == 5 else {f"{chance.choice(TEXTS)}{n}": one for n, one in enumerate(inner)}


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(4))
def test_the_list_is_the_serializers_for_random_rows(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(60):
        day = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=chance.randrange(20_000))
        meta = {"merchant_id": chance.choice((*TEXTS, None, 7, [1])), "x": made_up(chance)}
        TransactionFactory(
            id=UUID(int=chance.getrandbits(128)),
            amount=Decimal(chance.choice(AMOUNTS)),
            txn_date=day.replace(hour=chance.randrange(24), microsecond=chance.choice(MICROSECONDS)),
            status=chance.choice(("completed", "a", "x_" * 16)),
            meta_data=meta if chance.randrange(9) else {},
        )
    stored = Transaction.objects.order_by("-txn_date", "id")
    declared = json.loads(json.dumps(TransactionSerializer(stored, many=True).data))
    content = reader().get(BASE + "transactions/").content
    # Python's reader keeps the order of the fields, and the digits of large numbers.
    listed = json.loads(content)["results"]
    assert [list(row) for row in listed] == [list(row) for row in declared]
    assert listed == [{**row, "meta_data": one.meta_data} for row, one in zip(declared, stored, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT meta_data::text FROM transactions ORDER BY txn_date DESC, id")
        assert all(text.encode() in content for (text,) in cursor.fetchall())
