"""Walks through the pages of a list while others store rows, late ones too, and commit them when they like.

PAGE_WALKS of the environment says how many walks; `make walks` asks for 1,000.
"""

import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.test import Client

from tests.api import BASE, reader
from tests.factories import START, TransactionFactory
from transactions.models import Transaction

WALKS = int(os.environ.get("PAGE_WALKS", "20"))
SEED = int(os.environ.get("PAGE_WALKS_SEED", "7"))


def store(chance: random.Random, user: UUID, count: int) -> list[str]:
    """Rows of this user at a few instants only, so that many share one; their ids fall anywhere."""
    rows = [
        TransactionFactory.build(id=uuid4(), user_id=user, txn_date=START + timedelta(minutes=chance.randrange(12)))
        for _ in range(count)
    ]
    Transaction.objects.bulk_create(rows)
    return [str(row.id) for row in rows]


@contextmanager
def storing(user: UUID, seed: int) -> Iterator[list[int]]:
    """Somebody stores rows meanwhile, each few in a database transaction that is open for a moment."""
    over, stored, chance = threading.Event(), [0], random.Random(seed)

    def work() -> None:
        try:
            while not over.is_set():
                with transaction.atomic():
                    stored[0] += len(store(chance, user, chance.randint(1, 4)))
                    over.wait(chance.choice((0, 0.002, 0.01)))
        finally:
            connection.close()

    writer = threading.Thread(target=work)
    writer.start()
    try:
        yield stored
    finally:
        over.set()
        writer.join()


def walked(client: Client, address: str | None) -> list[str]:
    seen: list[str] = []
    while address is not None:
        page = client.get(address).json()
        seen += [row["id"] for row in page["results"]]
        address = page["next"]
    return seen


@pytest.mark.django_db(transaction=True)
def test_a_walk_meets_each_row_that_was_there_once_and_none_twice() -> None:
    client, chance = reader(), random.Random(SEED)
    met_meanwhile = 0
    for number in range(WALKS):
        user = uuid4()
        there = set(store(chance, user, chance.randint(20, 120)))
        filters = chance.choice(("", "&from_date=2024-06-01", "&currency=EUR", "&min_amount=1"))
        with storing(user, SEED + number):
            seen = walked(client, f"{BASE}transactions/?user_id={user}&limit={chance.randint(1, 9) ** 2}{filters}")
        assert len(seen) == len(set(seen)), (SEED, number)
        assert there <= set(seen), (SEED, number)
        met_meanwhile += len(set(seen) - there)
    # Else nothing was stored in front of a walk, and it proved nothing.
    assert met_meanwhile > WALKS
