"""The calibration benchmark: weeks are scored with their past, and shares judged by what a score promises."""

import numpy as np

from benchmarks.calibration import Share, lines, scores_by_week, shares, without
from tests.scoring.histories import population


def test_each_whole_week_after_the_first_reference_is_scored() -> None:
    columns = population(users=40, rows=120)
    weeks = list(scores_by_week(columns))
    # 120 days: 28 of the first reference, then 13 whole weeks.
    assert len(weeks) == 13
    assert 0.05 < np.mean(np.concatenate(weeks) >= 20) < 0.2


def test_frauds_can_be_taken_out() -> None:
    columns = population(users=2)
    frauds = columns.user == 1
    assert set(without(columns, frauds).user) == {0}


def test_a_share_is_judged_where_rows_suffice() -> None:
    found = {one.level: one for one in shares([np.array([0.0] * 9_870 + [45.0] * 110 + [65.0] * 20)])}
    assert (found[40].share, found[60].share) == (0.013, 0.002)
    assert (found[40].verdict, found[60].verdict) == ("not reached", "too few rows to tell")
    assert Share(level=40, rows=10_000, share=0.0124, promised=0.01, weeks=[0.0124]).verdict == "reached"
    assert "ratio 1.30: not reached" in list(lines("some", list(found.values())))[2]
