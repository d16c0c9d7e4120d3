"""The rolling-mean rule."""

import numpy as np

from scoring import Columns
from scoring.baseline import amount_over_mean, flagged
from tests.scoring.histories import START_US, history


def payments(*minor: int) -> Columns:
    rows = len(minor)
    return Columns(
        user=np.ones(rows, np.int64),
        at_us=START_US + np.arange(rows),
        minor=np.array(minor),
        currency=np.zeros(rows, np.int32),
        failed=np.zeros(rows, np.bool_),
    )


def test_more_than_five_times_the_mean_is_flagged_five_times_is_not() -> None:
    assert flagged(payments(*[100] * 10, 500, *[100] * 20, 501))[[10, 31]].tolist() == [False, True]


def test_nine_payments_are_too_little_past() -> None:
    assert not flagged(payments(*[100] * 9, 10_000)).any()
    assert flagged(payments(*[100] * 10, 10_000))[-1]


def test_only_the_last_twenty_count() -> None:
    assert amount_over_mean(payments(*[900] * 30, *[100] * 20, 300))[-1] == 3


def test_currencies_are_kept_apart() -> None:
    columns = history(np.random.default_rng(0), rows=400, currencies=2)
    rows = columns.currency == 1
    alone = Columns(*(getattr(columns, name)[rows] for name in Columns.__slots__))
    np.testing.assert_array_equal(amount_over_mean(columns)[rows][:40], amount_over_mean(alone)[:40])


def test_a_mean_of_nothing_is_unknown() -> None:
    assert np.isnan(amount_over_mean(payments(*[0] * 12)))[-1]
