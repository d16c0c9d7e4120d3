"""How many cases a threshold opens is counted as the rule says, one anomaly after the other."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from anomalies import openings

anomaly = st.tuples(st.integers(0, 3), st.integers(0, 50), st.integers(40, 45))
anomalies = st.lists(anomaly, min_size=1, max_size=30)


def past(rows):
    user, at_us, score = zip(*rows, strict=True)
    return openings.past(np.array(user), np.array(at_us), np.array(score, np.float64))


def played(rows, least, open_us, since_us):
    """The rule, one anomaly after the other."""
    closes, count = {}, 0
    for user, at_us, score in sorted(rows, key=lambda row: row[1]):
        if score >= least and at_us >= closes.get(user, at_us):
            closes[user] = at_us + max(open_us, 1)
            count += at_us > since_us
    return count


@given(anomalies, st.integers(40, 46), st.integers(0, 30), st.integers(-1, 50))
def test_the_count_is_that_of_the_rule(rows, least, open_us, since_us):
    found = openings.opened(past(rows), least, open_us=open_us, since_us=since_us)
    assert found == played(rows, least, open_us, since_us)


@given(anomalies, st.integers(1, 30))
def test_a_lower_threshold_never_opens_fewer(rows, open_us):
    counts = [openings.opened(past(rows), least, open_us=open_us, since_us=-1) for least in range(40, 47)]
    assert counts == sorted(counts, reverse=True)


@given(anomalies, st.floats(0.5, 10), st.integers(1, 30))
def test_no_other_threshold_comes_nearer(rows, cases, open_us):
    found = openings.threshold(past(rows), cases=cases, open_us=open_us, since_us=-1)
    by_score = {score: played(rows, score, open_us, -1) for _, _, score in rows}
    if found is None:
        assert max(by_score.values()) <= cases
    else:
        assert abs(by_score[found] - cases) == min(abs(count - cases) for count in by_score.values())
