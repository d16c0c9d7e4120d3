"""Group 3: a spell, several large payments of one user within days.

Excess is what a payment lies above twice the median of its own past. A stolen card is used more than
once: the excess of the last 14 days, in medians, but no more of it than the payment itself exceeds, so
that an ordinary payment within a spell stays ordinary. And the spend of the last 7 days with this
payment, against what 7 days of the (winsorised) last 90 usually come to.
Limits: the usual spend needs a past of at least 14 days; more than PROFILE_ROWS payments in 7 days
leave nothing to compare with.
"""

import numpy as np

from scoring.amounts import MINIMUM_PAST, PROFILE_US, Past, known, ratio
from scoring.columns import Floats, Ints
from scoring.windows import DAY_US

NAME = "spell"
EVIDENCE = ("excess_14d", "spend_over_usual")
FACTS = ("large_14d", "excess_sum_14d", "spend_7d", "usual_7d")

SPELL_US = 14 * DAY_US
WEEK_US = 7 * DAY_US
SHORTEST_PROFILE_US = 14 * DAY_US
EXCESS_OVER_MEDIANS = 2


def build(past: Past) -> list[Floats]:
    """EVIDENCE and then FACTS, each (m,) on the line of purses."""
    excess = excess_of(past)
    recent = past.line.since(SPELL_US)
    sum_before = past.line.sums(excess, recent)
    median = ratio(known(past.median.astype(np.float64), past.count), np.ones(len(past.median)))
    median = np.where(median > 0, median, np.nan)
    spell = np.minimum(excess, sum_before) / median
    spend, usual = spends(past)
    return [
        spell,
        ratio(spend, usual),
        past.line.sums((excess > 0).astype(np.int64), recent).astype(np.float64),
        sum_before / 200,
        spend,
        usual,
    ]


def excess_of(past: Past) -> Ints:
    """(m,) half hundredths above twice the median of the row's own past; 0 with too little past."""
    over = past.doubled - EXCESS_OVER_MEDIANS * past.median
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
