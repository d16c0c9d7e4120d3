"""One row's history is exactly what the batch has of it, also where rows share their instants."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import numpy as np
import pytest
from pytest_django.fixtures import DjangoAssertNumQueries

import scoring
from tests.transactions import traffic
from transactions import history, lookback, store
from transactions.rows import Row

pytestmark = pytest.mark.django_db


def stored(instants: Sequence[int]) -> list[Row]:
    """A user's rows at so many minutes, in the order (txn_date, id), with the ids and contents of any others."""
    made = traffic.rows(len(instants), users=1)
    rows = [
        replace(row, id=uuid4(), txn_date=traffic.START + timedelta(minutes=at))
        for row, at in zip(made, instants, strict=True)
    ]
    store.write(rows)
    return sorted(rows, key=lambda row: (row.txn_date, row.id))


def assert_same(rows: Sequence[Row], place: int) -> None:
    row = rows[place]
    past = lookback.up_to(row.user_id, row.txn_date, row.id)[0].rows
    everything = history.of_users([row.user_id], [traffic.START]).columns
    first = max(place - scoring.HISTORY_ROWS, 0)
    np.testing.assert_array_equal(past, everything.stacked()[:, first : place + 1])


@pytest.mark.parametrize("tied", [1, 2, 7, 600], ids=lambda tied: f"{tied} at a time")
def test_rows_of_one_instant_come_in_the_order_of_their_ids(tied: int) -> None:
    rows = stored([place // tied for place in range(700)])
    for place in (0, 1, 6, 511, 512, 513, 514, 520, 650, 699):
        assert_same(rows, place)


def test_only_a_cut_through_rows_of_one_instant_is_asked_again(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    # More rows are read than count; of so many at one instant the last that are read may lie before the first ones.
    rows = stored([place // 70 for place in range(1000)])
    for place, queries in ((574, 1), (576, 2), (620, 1), (999, 2)):
        row = rows[place]
        with django_assert_num_queries(queries):
            past = lookback.up_to(row.user_id, row.txn_date, row.id)[0].rows
        assert past.shape[1] == scoring.HISTORY_ROWS + 1
