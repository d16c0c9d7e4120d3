"""Windows of strictly earlier rows, against loops that do the same one by one."""

import numpy as np
import pytest

from scoring import Columns
from scoring.windows import DAY_US, Block, Line, medians
from tests.scoring.histories import history, together


def block_of(columns: Columns) -> Block:
    return Block(columns, np.ones(len(columns), np.bool_))


@pytest.fixture(params=[1, 3])
def line(request: pytest.FixtureRequest) -> Line:
    rng = np.random.default_rng(request.param)
    users = [history(rng, rows=80, user=user, currencies=request.param, days=40) for user in (5, 2, 9)]
    return block_of(together(users)).purses


def segment(line: Line, i: int) -> int:
    return int(np.cumsum(line.starts)[i])


def test_last_reaches_back_a_number_of_the_users_rows_in_any_currency(line: Line) -> None:
    for i, oldest in enumerate(line.last(20)):
        own = [k for k in range(i) if segment(line, k) == segment(line, i) and line.order[k] >= line.order[i] - 20]
        assert oldest == min(own, default=i)


def test_since_reaches_back_a_time_within_the_segment(line: Line) -> None:
    for i, oldest in enumerate(line.since(7 * DAY_US)):
        own = [
            k for k in range(i) if segment(line, k) == segment(line, i) and line.at_us[k] >= line.at_us[i] - 7 * DAY_US
        ]
        assert oldest == min(own, default=i)


def test_sums_leave_the_row_itself_out(line: Line) -> None:
    values = np.arange(len(line.order))
    oldest = line.last(10)
    assert line.sums(values, oldest).tolist() == [int(values[o:i].sum()) for i, o in enumerate(oldest)]


def test_sums_are_exact_where_the_running_sum_has_left_63_bits(line: Line) -> None:
    values = np.full(len(line.order), 2**58 + 1)
    oldest = np.maximum(line.index - 8, 0)
    assert line.sums(values, oldest)[-1] == 8 * (2**58 + 1)


def test_a_gap_of_decades_stays_within_the_clock() -> None:
    line = Line(np.arange(3), np.array([True, False, False]), np.array([0, 1, 3 * 10**15]))
    assert line.since(DAY_US).tolist() == [0, 0, 2]


@pytest.mark.parametrize("size", [1, 4, 50])
def test_medians_are_those_of_numpy(size: int) -> None:
    rng = np.random.default_rng(size)
    values = rng.integers(0, 1000, 5000)
    oldest = np.maximum(np.arange(5000) - rng.integers(0, size + 1, 5000), 0)
    median, deviation = medians(values, oldest, size)
    for i in range(0, 5000, 7):
        window = values[oldest[i] : i]
        expected = np.median(window) if len(window) else 0
        assert median[i] == 2 * expected
        assert deviation[i] == (4 * np.median(np.abs(window - expected)) if len(window) else 0)


def test_previous_is_the_users_latest_row_with_the_key() -> None:
    rng = np.random.default_rng(0)
    columns = together([history(rng, rows=60, user=user, keyed=True) for user in (4, 1)])
    for key in (columns.merchant, columns.category, -columns.device):
        found = block_of(columns).previous(key)
        for i in range(len(columns)):
            earlier = [k for k in range(i) if columns.user[k] == columns.user[i] and key[k] == key[i]]
            assert found[i] == max(earlier, default=-1)


@pytest.mark.parametrize("reach", [0, 1, 7, 200])
def test_latest_is_the_users_latest_row_with_the_key_before_an_end(reach: int) -> None:
    rng = np.random.default_rng(reach)
    columns = together([history(rng, rows=60, user=user, keyed=True) for user in (4, 1)])
    block = block_of(columns)
    end = block.users.last(reach)
    for key in (columns.merchant, columns.category, -columns.device):
        found = block.latest(key, end)
        for i in range(len(columns)):
            earlier = [k for k in range(int(end[i])) if columns.user[k] == columns.user[i] and key[k] == key[i]]
            assert found[i] == max(earlier, default=-1)


def test_a_block_with_more_rows_than_places_is_refused() -> None:
    columns = history(np.random.default_rng(0), rows=2**16 + 1)
    with pytest.raises(ValueError, match="too large"):
        block_of(columns).previous(columns.minor)
