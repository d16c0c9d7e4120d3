"""The last row of a history, in plain numbers, has the features that it has among all rows, to the last bit."""

from dataclasses import replace

import numpy as np
import pytest

from scoring import HISTORY_ROWS, STACKED, Columns, build, build_last, laid, visits
from scoring.columns import LARGEST_MINOR
from tests.scoring.histories import DAY_US, history, seen_by, together

MINUTE_US = 60_000_000


def assert_alike(columns: Columns, rows: range) -> None:
    """Each row of one user, as the last of the rows up to it, against the same row among all."""
    seen = visits.within(columns)
    among_all = build(columns, None, seen).values
    for i in rows:
        past = columns.part(max(0, i - HISTORY_ROWS), i + 1)
        alone = build_last(past.stacked(), seen_by(columns, i, seen))
        np.testing.assert_array_equal(alone.values[0], among_all[i])


@pytest.mark.parametrize("days", [2, 40, 400])
@pytest.mark.parametrize("currencies", [1, 3])
@pytest.mark.parametrize("keyed", [True, False])
def test_every_row_of_a_history(days: int, currencies: int, keyed: bool) -> None:
    rng = np.random.default_rng(days)
    columns = history(rng, rows=700, days=days, currencies=currencies, keyed=keyed, step_us=MINUTE_US, failing=0.2)
    assert_alike(columns, range(0, 700, 1 if days == 40 else 7))


def test_rows_that_tie_and_charges_that_repeat() -> None:
    columns = history(np.random.default_rng(1), rows=600, days=20, currencies=2, keyed=True, step_us=DAY_US // 8)
    # Few amounts and few merchants: many charges come again at once.
    columns = replace(columns, minor=columns.minor % 3, merchant=columns.merchant % 4)
    assert_alike(columns, range(600))


def test_the_largest_and_the_smallest_amounts() -> None:
    rng = np.random.default_rng(2)
    columns = history(rng, rows=400, days=30, keyed=True)
    columns = replace(columns, minor=np.where(rng.random(400) < 0.5, LARGEST_MINOR - rng.integers(0, 3, 400), 0))
    assert_alike(columns, range(400))


def test_a_silence_longer_than_every_window() -> None:
    columns = history(np.random.default_rng(3), rows=300, days=100, currencies=2, keyed=True)
    later = columns.at_us + np.where(np.arange(300) > 150, 500 * DAY_US, 0)
    assert_alike(replace(columns, at_us=later), range(300))


def test_a_merchant_whose_customers_come_in_a_rush() -> None:
    rng = np.random.default_rng(4)
    users = [history(rng, rows=60, user=user, days=90, keyed=True) for user in range(40)]
    crowd = together(users)
    rush = crowd.at_us.max() - rng.integers(0, DAY_US // 2, len(crowd))
    crowd = replace(crowd, merchant=np.full(len(crowd), 7), at_us=np.where(crowd.user % 2, np.sort(rush), crowd.at_us))
    order = np.lexsort((crowd.at_us, crowd.user))
    crowd = Columns(*(getattr(crowd, name)[order] for name in Columns.__slots__))
    seen, last = visits.within(crowd), np.flatnonzero(np.append(np.diff(crowd.user), 1))
    among_all = build(crowd, None, seen)
    assert np.nanmax(among_all.column("surge_1d")) > 1
    for i in last.tolist():
        first = int(np.searchsorted(crowd.user, crowd.user[i]))
        alone = build_last(crowd.part(first, i + 1).stacked(), seen_by(crowd, i, seen))
        np.testing.assert_array_equal(alone.values[0], among_all.values[i])


def test_a_row_of_which_no_merchant_is_asked() -> None:
    columns = history(np.random.default_rng(5), rows=50, keyed=True)
    np.testing.assert_array_equal(build_last(columns.stacked(), None).values[0], build(columns).values[-1])


def test_rows_that_lie_apart_in_memory_and_more_of_them_than_count() -> None:
    rows = history(np.random.default_rng(6), rows=HISTORY_ROWS + 90, keyed=True, currencies=2).stacked()
    apart, cut = np.repeat(rows, 2, axis=1)[:, ::2], np.ascontiguousarray(rows[:, -HISTORY_ROWS - 1 :])
    for one in (rows, apart):
        np.testing.assert_array_equal(build_last(one, None).values, build_last(cut, None).values)


def test_without_a_row_there_are_no_features() -> None:
    with pytest.raises(ValueError, match="no row"):
        build_last(np.zeros((len(STACKED), 0), np.int64), None)


def kept(packed: np.ndarray) -> np.ndarray:
    """As the database brings it: it can only be read."""
    return np.frombuffer(packed.tobytes(), np.int64).reshape(packed.shape)


@pytest.mark.parametrize("newest", [0, 1, 40, 512, 513, 575])
@pytest.mark.parametrize("packed", [0, 1, 500, 560])
def test_rows_are_laid_of_what_is_packed_and_what_is_not(newest: int, packed: int) -> None:
    columns = history(np.random.default_rng(7), rows=packed + newest, keyed=True, currencies=2, failing=0.3)
    numbers = columns.packed()
    rows, is_tied = laid(np.ascontiguousarray(numbers[:, packed:].T[::-1]), kept(numbers[:, :packed]))
    np.testing.assert_array_equal(rows, columns.stacked()[:, -HISTORY_ROWS - 1 :])
    assert not is_tied


def test_of_the_newest_rows_it_is_told_whether_any_tie() -> None:
    numbers = history(np.random.default_rng(8), rows=9).packed()
    numbers[0, 3] = numbers[0, 4]
    newest = np.ascontiguousarray(numbers.T[::-1])
    assert laid(newest, kept(numbers[:, :0]))[1]
    # What is packed has been put in order when it was.
    assert not laid(newest[:4], kept(numbers[:, :5]))[1]
