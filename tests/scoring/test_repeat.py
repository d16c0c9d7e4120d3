"""The same charge again within minutes."""

from dataclasses import replace

import numpy as np
import pytest

from scoring import Columns, build
from tests.scoring.histories import DAY_US, START_US

MINUTE_US = DAY_US // 1440


def paid_daily(minutes: float, **last: int | bool) -> Columns:
    """A payment a day at changing merchants, and the 40th again after so many minutes, changed as `last` says."""
    at_us = START_US + np.append(np.arange(40), 39 + minutes / 1440) * DAY_US
    columns = Columns(
        user=np.ones(41, np.int64),
        at_us=at_us.astype(np.int64),
        minor=np.append(1000 + np.arange(40), 1039),
        currency=np.zeros(41, np.int32),
        failed=np.zeros(41, np.bool_),
        merchant=np.append(1 + np.arange(40), 40),
    )
    for name, value in last.items():
        getattr(columns, name)[-1] = value
    return columns


def again(columns: Columns) -> float:
    return float(build(columns).column("charged_again")[-1])


def test_the_sooner_the_same_charge_comes_again_the_stranger() -> None:
    assert again(paid_daily(1)) > again(paid_daily(10)) > again(paid_daily(59)) > 2
    assert again(paid_daily(61)) == 0


@pytest.mark.parametrize("change", [{"minor": 1040}, {"merchant": 41}, {"currency": 1}, {"failed": True}], ids=str)
def test_what_differs_is_no_repetition(change: dict[str, int]) -> None:
    assert again(paid_daily(3, **change)) == 0


def test_the_second_try_of_a_refused_payment_is_no_repetition() -> None:
    columns = paid_daily(3)
    columns.failed[-2] = True
    assert again(columns) == 0


def test_whoever_always_pays_the_same_is_less_surprising() -> None:
    columns = paid_daily(3)
    usual = replace(columns, minor=np.full(41, 1000), merchant=np.ones(41, np.int64))
    assert again(usual) < again(columns) - 1


def test_without_a_merchant_it_is_unknown() -> None:
    assert np.isnan(again(paid_daily(3, merchant=0)))
