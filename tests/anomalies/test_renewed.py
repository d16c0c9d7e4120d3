"""Values that are read anew after an answer, with readers that count."""

from collections.abc import Iterator

import pytest
from django.test import override_settings

from anomalies import renewed
from anomalies.renewed import LONGEST_S, Renewed, renew_due


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(renewed, "time", clock)
    monkeypatch.setattr(renewed, "_after_answers", renewed._AfterAnswers())
    with override_settings(LIVE_CACHE_S=5.0):
        yield clock


class Counted:
    """Says how often it was read; fails while it is told to."""

    def __init__(self) -> None:
        self.reads = 0
        self.fails = False

    def __call__(self) -> int:
        if self.fails:
            raise ConnectionError("The database is away.")
        self.reads += 1
        return self.reads


def test_a_value_is_kept_for_some_seconds_and_then_read_at_once_where_nobody_renews(clock: Clock) -> None:
    value = Renewed(Counted())
    assert [value(), value()] == [1, 1]
    clock.now += 4.9
    assert value() == 1
    clock.now += 0.1
    assert value() == 2


def test_a_server_goes_by_the_old_value_and_renews_it_after_the_answer(clock: Clock) -> None:
    value = Renewed(Counted())
    renew_due()
    assert value() == 1
    clock.now += 6
    assert [value(), value()] == [1, 1]
    assert renew_due()
    assert not renew_due()
    assert value() == 2


def test_nothing_is_renewed_that_nobody_asked_for(clock: Clock) -> None:
    counted = Counted()
    value = Renewed(counted)
    value()
    clock.now += 6
    renew_due()
    assert counted.reads == 1


def test_a_value_that_was_left_for_long_is_read_before_the_answer(clock: Clock) -> None:
    value = Renewed(Counted())
    renew_due()
    value()
    clock.now += LONGEST_S
    assert value() == 2


def test_a_failure_costs_no_answer_and_is_not_tried_again_at_once(clock: Clock) -> None:
    counted = Counted()
    value = Renewed(counted)
    renew_due()
    value()
    clock.now += 6
    counted.fails = True
    assert value() == 1
    assert renew_due()
    counted.fails = False
    assert value() == 1
    renew_due()
    assert counted.reads == 1
    clock.now += 6
    assert value() == 1
    renew_due()
    assert value() == 2


def test_a_value_that_cannot_be_read_for_long_says_so(clock: Clock) -> None:
    counted = Counted()
    value = Renewed(counted)
    renew_due()
    value()
    counted.fails = True
    clock.now += LONGEST_S
    with pytest.raises(ConnectionError):
        value()
