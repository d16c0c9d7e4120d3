"""How many cases a threshold would have opened: the rule of `cases`, played over the anomalies of the past.

An anomaly at the threshold opens a case unless one of its user is open; a case is open for some time, and gathers what
its user does meanwhile. Source: it is the earliest-first choice of points of a line that lie a distance apart, which
is the largest such choice. So a lower threshold never opens fewer cases (but for the first of a window, which one from
before it may gather), and the right one is found by halving.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Past(NamedTuple):
    """Anomalies, by user and then by time: user (n,) any numbers, at_us (n,), score (n,)."""

    user: Ints
    at_us: Ints
    score: Floats


def past(user: Ints, at_us: Ints, score: Floats) -> Past:
    """Anomalies (n,) in any order."""
    order = np.lexsort((at_us, user))
    return Past(user[order], at_us[order], score[order])


def threshold(anomalies: Past, *, cases: float, open_us: int, since_us: int) -> float | None:
    """The score at which the anomalies open the number of cases nearest to `cases`; None if they are too few for it.

    A case is open for open_us. Only those that open after since_us count: earlier ones may still be open then.
    """
    scores = np.unique(anomalies.score)
    few, many = len(scores), -1
    while few - many > 1:
        middle = (few + many) // 2
        if opened(anomalies, float(scores[middle]), open_us=open_us, since_us=since_us) <= cases:
            few = middle
        else:
            many = middle
    if many < 0:
        return None
    too_many = opened(anomalies, float(scores[many]), open_us=open_us, since_us=since_us) - cases
    if few == len(scores):
        return float(scores[many])
    too_few = cases - opened(anomalies, float(scores[few]), open_us=open_us, since_us=since_us)
    return float(scores[many] if too_many < too_few else scores[few])


def opened(anomalies: Past, least: float, *, open_us: int, since_us: int) -> int:
    """How many cases open after since_us if a score from `least` on opens one."""
    alerts = np.flatnonzero(anomalies.score >= least)
    if not len(alerts):
        return 0
    user, at_us = np.unique(anomalies.user[alerts], return_inverse=True)[1], anomalies.at_us[alerts]
    # One line for all users: of each the times lie after those of the one before, further than a case is open.
    line = at_us - at_us.min() + user * (int(np.ptp(at_us)) + open_us + 1)
    following = line.searchsorted(line + max(open_us, 1))
    opens = np.flatnonzero(np.diff(user, prepend=-1))
    count = 0
    while len(opens):
        count += int(np.count_nonzero(at_us[opens] > since_us))
        after = following[opens]
        there = after < len(user)
        after, before = after[there], opens[there]
        opens = after[user[after] == user[before]]
    return count
