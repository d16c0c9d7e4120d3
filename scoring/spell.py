"""A spell: several large payments of one user within days.

A payment is large from three medians of its own past on; its excess is what lies above them. A stolen
card is used more than once, so the evidence is the excess of the last 14 days, in medians; what this
payment lies above the median, with as much of that excess added as it reaches itself, so that among the
payments of a spell the ordinary ones stay behind; the spend of the last 7 days with this payment
against what 7 days of the (winsorised) last 90 usually come to; and the chance that a Poisson process
at the user's own rate of large payments brings at least as many as the last 7 days did, this one
included, as -log10. Sums are ruled by one rent, which comes every month; how many large ones come
within days is not.
Sources: Jeffreys 1946 (half a payment more than were counted, for a rate that may be 0).
Limits: the usual spend and the usual number need a profile of at least 14 days. Of a user with more than
PROFILE_ROWS payments in a window the window ends there.
"""

import numpy as np

from scoring.amounts import MINIMUM_PAST, PROFILE_US, WINSORISED_MEDIANS, Past, known, ratio
from scoring.columns import Floats, Ints
from scoring.velocity import unlikeliness
from scoring.windows import DAY_US, Line

NAME = "spell"
EVIDENCE = ("renewed_excess", "excess_14d", "spend_over_usual", "large_burst")
FACTS = ("large_14d", "large_excess_14d", "spend_7d", "usual_7d", "large_7d", "expected_large_7d")

SPELL_US = 14 * DAY_US
WEEK_US = 7 * DAY_US
SHORTEST_PROFILE_US = 14 * DAY_US
# Jeffreys' prior of a Poisson rate.
PRIOR_MARKED = 0.5


def build(past: Past) -> list[Floats]:
    """EVIDENCE and then FACTS, each (m,) on the line of purses."""
    large = large_excess(past)
    since = past.line.since(SPELL_US)
    before = past.line.sums(large, since)
    own = np.maximum(past.doubled - past.median, 0)
    median = known(past.median / 1, past.count)
    spend, usual = spends(past)
    many, expected = large_ones(past, (large > 0).astype(np.int64))
    return [
        ratio((own + np.minimum(own, before)).astype(np.float64), median),
        ratio(before.astype(np.float64), median),
        ratio(spend, usual),
        unlikeliness(many, expected, past.wanted),
        past.line.sums((large > 0).astype(np.int64), since).astype(np.float64),
        before / 200,
        spend,
        usual,
        many.astype(np.float64),
        expected,
    ]


def large_excess(past: Past) -> Ints:
    """(m,) half hundredths above three medians of the row's own past; 0 with too little past."""
    over = past.doubled - WINSORISED_MEDIANS * past.median
    return np.where(past.count < MINIMUM_PAST, 0, np.maximum(over, 0))


def spends(past: Past) -> tuple[Floats, Floats]:
    """Spend of the last 7 days with this payment, and what 7 days usually come to, in currency units."""
    line = past.line
    week, oldest = line.since(WEEK_US), line.since(PROFILE_US)
    spend = (line.sums(past.doubled, week) + past.doubled) / 200
    span_us = line.at_us - line.at_us[oldest]
    usual = line.sums(past.winsorised, oldest) / 200 * (WEEK_US / np.maximum(span_us, 1))
    enough = (span_us >= SHORTEST_PROFILE_US) & (line.index - oldest >= MINIMUM_PAST)
    return spend, np.where(enough, usual, np.nan)


def large_ones(past: Past, large: Ints) -> tuple[Ints, Floats]:
    """Large payments of the last 7 days with this one (m,), and how many the days before in the last 90 would bring."""
    many, expected = counted(past.line, large, WEEK_US)
    return many, np.where(past.median > 0, expected, np.nan)


def counted(line: Line, marked: Ints, window_us: int) -> tuple[Ints, Floats]:
    """Rows `marked` 1 and not 0 in the window with this one (m,), and how many the days before in 90 would bring."""
    start, oldest = line.since(window_us), line.since(PROFILE_US)
    recent = line.sums(marked, start)
    before = line.sums(marked, oldest) - recent
    span_us = line.at_us - line.at_us[oldest]
    expected = (before + PRIOR_MARKED) * (window_us / np.maximum(span_us, window_us))
    enough = (span_us >= SHORTEST_PROFILE_US) & (line.index - oldest >= MINIMUM_PAST)
    return recent + marked, np.where(enough, expected, np.nan)
