"""Velocity: how many payments of this user there are, against how many there usually are.

The chance that a Poisson process at the user's own rate brings at least as many payments as the last
hour, day and 7 days did, as -log10. The rate is that of the 30 days before the window, or of as much of
them as the user's last HISTORY_ROWS rows hold. Failed payments of the last day, this one included,
likewise against the user's own share of failures.
Limits: people pay in bursts, so the values are no probabilities; the reference says how common they are.
A rate needs MINIMUM_PAST payments over at least the length of the window.
"""

import numpy as np
from scipy.special import gammainc

from scoring.amounts import MINIMUM_PAST
from scoring.columns import Bools, Floats, Ints
from scoring.windows import DAY_US, HISTORY_ROWS, HOUR_US, PROFILE_ROWS, Block, Line

NAME = "velocity"
EVIDENCE = ("burst_1h", "burst_1d", "burst_7d", "failures_1d")
FACTS = (
    "count_1h",
    "count_1d",
    "count_7d",
    "expected_1h",
    "expected_1d",
    "expected_7d",
    "failed_1d",
    "expected_failed_1d",
)

WINDOWS_US = (HOUR_US, DAY_US, 7 * DAY_US)
RATE_US = 30 * DAY_US
# Until the user's own failures are known, one payment in twenty is taken to fail, with the weight of 20.
PRIOR_FAILED = 1
PRIOR_PAYMENTS = 20
LEAST_CHANCE = 1e-300


def build(block: Block) -> list[Floats]:
    """EVIDENCE and then FACTS, each (n,) in the order of the block."""
    line = block.users
    starts = [line.since(window, HISTORY_ROWS) for window in WINDOWS_US]
    counts = [line.index - start for start in starts]
    expected = [usual(line, start, window) for start, window in zip(starts, WINDOWS_US, strict=True)]
    failed, expected_failed = failures(block)
    return [
        *(unlikeliness(count, mean, block.wanted) for count, mean in zip(counts, expected, strict=True)),
        unlikeliness(failed, expected_failed, block.wanted),
        *(count.astype(np.float64) for count in counts),
        *expected,
        failed.astype(np.float64),
        expected_failed,
    ]


def usual(line: Line, start: Ints, window_us: int) -> Floats:
    """(n,) payments that the rate of the 30 days before the window would bring in the window."""
    oldest = line.since(window_us + RATE_US, HISTORY_ROWS)
    span_us = line.at_us - window_us - line.at_us[oldest]
    enough = (start - oldest >= MINIMUM_PAST) & (span_us >= window_us)
    return np.where(enough, (start - oldest) * (window_us / np.maximum(span_us, 1)), np.nan)


def failures(block: Block) -> tuple[Ints, Floats]:
    """Failed payments of the last day with this one (n,), and how many the user's own share would give."""
    line = block.users
    failed = block.columns.failed.astype(np.int64)
    day, oldest = line.since(DAY_US), line.last(PROFILE_ROWS)
    recent = line.sums(failed, day)
    share = (line.sums(failed, oldest) - recent + PRIOR_FAILED) / (day - oldest + PRIOR_PAYMENTS)
    enough = line.index - oldest >= MINIMUM_PAST
    return recent + failed, np.where(enough, (line.index - day + 1) * share, np.nan)


def unlikeliness(count: Ints | Floats, mean: Floats, wanted: Bools) -> Floats:
    """(n,) -log10 of the chance of `count` or more at a Poisson mean; 0 for a count of 0, NaN for no mean.

    Left at 0 where it is not wanted: no other number is as dear, and of a history one row is wanted.
    """
    result = 0 * mean
    some = wanted & (count > 0) & ~np.isnan(mean)
    result[some] = -np.log10(np.maximum(gammainc(count[some], mean[some]), LEAST_CHANCE))
    return result
