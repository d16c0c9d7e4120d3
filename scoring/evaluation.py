"""How good a ranking is, once labels are known: measures, their intervals, and the protocol of a fair test.

Pure NumPy and SciPy. Higher scores are stranger, NaN never ranks high. Users and cards are the same thing: a
number. Each measure can be taken with `copies`, how often each user was drawn, for a bootstrap over users.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from scoring.columns import Bools, Floats, Ints

# A fraud is known so many days after it happened, and the rival that learns from labels would be trained on so
# many days before that: Fraud Detection Handbook (Le Borgne et al. 2022), delta_delay and delta_train.
LABEL_DELAY_DAYS = 7
TRAINING_DAYS = 7
# The days whose strangest scores say where the alert budget lies.
BUDGET_WINDOW_DAYS = 14

Measure = Callable[[Ints], float]


def judged(
    card: Ints,
    day: Ints,
    fraud: Bools,
    *,
    start: int,
    days: int,
    delay: int = LABEL_DELAY_DAYS,
    known: Ints | None = None,
) -> Bools:
    """(n,) the rows of the test period, without cards that were known to be compromised on the day.

    card, day, fraud (n,), days since 1970; the period is `days` from `start` on. known (n,): the day on which each
    fraud became known, by default `delay` days after it. A card leaves with the day after one of its frauds became
    known, if that was in the training days or in the period.
    """
    known = day + delay if known is None else known
    cards, place = np.unique(card, return_inverse=True)
    counts = fraud & (known >= start - TRAINING_DAYS)
    first = np.full(len(cards), np.iinfo(np.int64).max)
    np.minimum.at(first, place[counts], known[counts])
    return (day >= start) & (day < start + days) & (day <= first[place])


def auc(scores: Floats, labels: Bools) -> float:
    """Chance that a positive row outranks a negative one, ties counted half. NaN if either is missing.

    scores (n,), labels (n,) True for the positive rows. Source: Mann and Whitney's U over n+ n-.
    """
    return Ranking(scores, labels, np.zeros(len(scores), np.int64)).auc(ONCE)


def average_precision(scores: Floats, labels: Bools) -> float:
    """Area under the precision-recall steps, rows of equal score taken together. NaN without positives.

    The same as scikit-learn's average_precision_score: no interpolation, which would flatter.
    """
    return Ranking(scores, labels, np.zeros(len(scores), np.int64)).average_precision(ONCE)


class Ranking:
    """Rows in the order of their scores, to be measured with users drawn again and again.

    scores, labels, user (n,); users are numbered from 0. What does not depend on the draw is reckoned once.
    """

    def __init__(self, scores: Floats, labels: Bools, user: Ints) -> None:
        values = ranked(scores)
        order = np.argsort(-values, kind="stable")
        positive, ordinary = order[labels[order]], order[~labels[order]]
        descending, wanted = -values[ordinary], -values[positive]
        self.ordinary, self.positive = user[ordinary], user[positive]
        # Of each positive row: how many ordinary ones are above it, how many above or level with it, and the
        # place of the last positive one that is level with it.
        self.above = np.searchsorted(descending, wanted, side="left")
        self.up_to = np.searchsorted(descending, wanted, side="right")
        self.last = np.searchsorted(wanted, wanted, side="right") - 1

    def auc(self, copies: Ints) -> float:
        """copies (users,) how often each was drawn."""
        found, passed = copies[self.positive], self._passed(copies)
        if not found.any() or passed[-1] == 0:
            return float("nan")
        outranked = passed[-1] - (passed[self.above] + passed[self.up_to]) / 2
        return float((found * outranked).sum() / found.sum() / passed[-1])

    def average_precision(self, copies: Ints) -> float:
        """copies (users,) how often each was drawn."""
        found, passed = copies[self.positive], self._passed(copies)
        if not found.any():
            return float("nan")
        hits = np.cumsum(found)[self.last]
        precision = hits / np.maximum(hits + passed[self.up_to], 1)
        return float((found * precision).sum() / found.sum())

    def _passed(self, copies: Ints) -> Ints:
        """(ordinary + 1,) how many ordinary rows are among the first 0, 1, 2, …"""
        passed = np.zeros(len(self.ordinary) + 1, np.int64)
        np.cumsum(copies[self.ordinary], out=passed[1:])
        return passed

    def curve(self) -> tuple[Floats, Floats]:
        """(p,) recall and precision at each positive row, the strangest first; every user once."""
        hits = self.last + 1
        return hits / max(len(hits), 1), hits / (hits + self.up_to)


def card_precision(scores: Floats, labels: Bools, *, card: Ints, day: Ints, top: int = 100) -> float:
    """Mean over the days of the share of truly compromised cards among the `top` highest of the day.

    A card ranks by its highest score of the day; cards found on an earlier day are left out.
    Source: Fraud Detection Handbook (Le Borgne et al. 2022), card precision top-k.
    """
    cards, place = np.unique(card, return_inverse=True)
    return CardDays(scores, labels, user=place, day=day).precision(np.ones(len(cards), np.int64), top=top)


class CardDays:
    """The cards of each day by their highest score, to be measured with users drawn again and again."""

    def __init__(self, scores: Floats, labels: Bools, *, user: Ints, day: Ints) -> None:
        users = int(user.max(initial=0)) + 1
        pairs, place = np.unique(day * users + user, return_inverse=True)
        highest = np.full(len(pairs), -np.inf)
        np.maximum.at(highest, place, ranked(scores))
        positive = np.zeros(len(pairs), np.bool_)
        np.logical_or.at(positive, place, labels)
        order = np.lexsort((-highest, pairs // users))
        cuts = np.flatnonzero(np.diff(pairs[order] // users)) + 1
        of_days = np.split(order, cuts) if len(order) else []
        self.days = [(pairs[rows] % users, positive[rows]) for rows in of_days]

    def precision(self, copies: Ints, *, top: int) -> float:
        """Card precision; copies (users,) how often each was drawn. A user drawn twice is two cards."""
        left, shares = copies.copy(), []
        for users, positive in self.days:
            here = left[users]
            reviewed = np.clip(top - (np.cumsum(here) - here), 0, here)
            hits = reviewed * positive
            left[users] -= hits
            shares.append(hits.sum() / top)
        return float(np.mean(shares)) if shares else float("nan")


def card_precision_ceiling(labels: Bools, *, card: Ints, day: Ints, top: int = 100) -> float:
    """The highest card precision that any scores could reach.

    A card counts once, on one of its days with a fraud, and a day has room for `top`: a maximum flow from cards
    through days. With fewer compromised cards than room, that is far below 1.
    """
    dates, when = np.unique(day, return_inverse=True)
    cards, who = np.unique(card[labels], return_inverse=True)
    if not len(dates):
        return float("nan")
    pairs = np.unique(who * len(dates) + when[labels])
    source, sink = len(cards) + len(dates), len(cards) + len(dates) + 1
    tails = np.concatenate([np.full(len(cards), source), pairs // len(dates), len(cards) + np.arange(len(dates))])
    heads = np.concatenate([np.arange(len(cards)), len(cards) + pairs % len(dates), np.full(len(dates), sink)])
    room = np.concatenate([np.ones(len(cards) + len(pairs)), np.full(len(dates), top)]).astype(np.int32)
    network = csr_array((room, (tails, heads)), shape=(sink + 1, sink + 1))
    return float(maximum_flow(network, source, sink).flow_value / (top * len(dates)))


def budget_alerts(scores: Floats, *, card: Ints, day: Ints, start: int, budget: int) -> Bools:
    """(n,) the rows from day `start` on above the score that `budget` cards a day passed in the 14 days before.

    Each day has its own threshold, from its own past, as a server has: what the budget gives on the day itself is
    not known. Where there are fewer days, these; a day without any past gives no alert, nor does an unknown score.
    """
    cards, place = np.unique(card, return_inverse=True)
    pairs, where = np.unique(day * len(cards) + place, return_inverse=True)
    peaks, peak_day = np.full(len(pairs), -np.inf), pairs // max(len(cards), 1)
    np.maximum.at(peaks, where, ranked(scores))
    alerts = np.zeros(len(scores), np.bool_)
    for today in np.unique(day[day >= start]):
        past = (peak_day >= today - BUDGET_WINDOW_DAYS) & (peak_day < today)
        if past.any():
            rows = day == today
            known = budget * int(today - peak_day[past].min())
            highest = np.sort(peaks[past])[::-1]
            alerts[rows] = ranked(scores)[rows] > (highest[known] if known < len(highest) else -np.inf)
    return alerts & ~np.isnan(scores)


class Caught:
    """What alerts found and missed of each user, to be measured with users drawn again and again."""

    def __init__(self, alerts: Bools, labels: Bools, user: Ints, *, users: int) -> None:
        self.positives, self.hits, self.false = (
            np.bincount(user[rows], minlength=users) for rows in (labels, labels & alerts, ~labels & alerts)
        )

    def recall(self, copies: Ints) -> float:
        """The share of positive rows with an alert; NaN without positive rows."""
        return _share(float(self.hits @ copies), float(self.positives @ copies))

    def precision(self, copies: Ints) -> float:
        """The share of alerts that are positive rows; NaN without alerts."""
        return _share(float(self.hits @ copies), float((self.hits + self.false) @ copies))


class Measured(NamedTuple):
    """A figure and its 95 % interval; NaN is unknown."""

    value: float
    low: float
    high: float


def bootstrapped(measure: Measure, *, users: int, resamples: int, seed: int = 0) -> Measured:
    """The measure of all users, and between what it lies in 95 % of the draws of as many users, with repetition.

    The same seed draws the same users, whatever is measured. Draws in which the measure is unknown are left out.
    Source: Efron 1979, percentile interval.
    """
    drawn = np.array([measure(copies) for copies in draws(users, resamples, seed)])
    drawn = drawn[~np.isnan(drawn)]
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (np.nan, np.nan)
    return Measured(measure(np.ones(users, np.int64)), float(low), float(high))


def draws(users: int, resamples: int, seed: int) -> Iterator[Ints]:
    """`resamples` times how often each of the users is drawn."""
    random = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(random.integers(users, size=users), minlength=users)


def ranked(scores: Floats) -> Floats:
    """The scores with NaN, which is unknown, below all others."""
    return np.where(np.isnan(scores), -np.inf, scores)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


# Every row belongs to the one user, who is drawn once.
ONCE: Ints = np.ones(1, np.int64)
