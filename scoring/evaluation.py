"""How good a ranking is, once labels are known. Pure NumPy; higher scores are stranger, NaN never ranks high."""

import numpy as np
from numpy.typing import NDArray

from scoring.columns import Bools, Floats


def auc(scores: Floats, labels: Bools) -> float:
    """Chance that a positive row outranks a negative one, ties counted half. NaN if either is missing.

    scores (n,), labels (n,) True for the positive rows. Source: Mann and Whitney's U over n+ n-.
    """
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if positives == 0 or negatives == 0:
        return float("nan")
    _, place, counts = np.unique(ranked(scores), return_inverse=True, return_counts=True)
    middle_ranks = np.cumsum(counts) - (counts - 1) / 2
    u = middle_ranks[place][labels].sum() - positives * (positives + 1) / 2
    return float(u / (positives * negatives))


def average_precision(scores: Floats, labels: Bools) -> float:
    """Area under the precision-recall steps, rows of equal score taken together. NaN without positives.

    The same as scikit-learn's average_precision_score: no interpolation, which would flatter.
    """
    if not labels.any():
        return float("nan")
    order = np.argsort(-ranked(scores), kind="stable")
    ordered, hits = ranked(scores)[order], np.cumsum(labels[order])
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    found = np.diff(hits[ends], prepend=0)
    return float((found * hits[ends] / (ends + 1)).sum() / hits[-1])


def card_precision(
    scores: Floats, labels: Bools, *, card: NDArray[np.int64], day: NDArray[np.int64], top: int = 100
) -> float:
    """Mean over the days of the share of truly compromised cards among the `top` highest of the day.

    A card ranks by its highest score of the day; cards found on an earlier day are left out.
    Source: Fraud Detection Handbook (Le Borgne et al. 2022), card precision top-k.
    """
    found = np.zeros(0, np.int64)
    shares = []
    for today in np.unique(day):
        rows = (day == today) & ~np.isin(card, found)
        hits = compromised(ranked(scores)[rows], labels[rows], card[rows], top)
        found = np.append(found, hits)
        shares.append(len(hits) / top)
    return float(np.mean(shares)) if shares else float("nan")


def compromised(scores: Floats, labels: Bools, card: NDArray[np.int64], top: int) -> NDArray[np.int64]:
    """The cards with a positive row among the `top` cards by highest score."""
    cards, place = np.unique(card, return_inverse=True)
    highest = np.full(len(cards), -np.inf)
    np.maximum.at(highest, place, scores)
    positive = np.zeros(len(cards), np.bool_)
    np.logical_or.at(positive, place, labels)
    reviewed = np.argsort(-highest, kind="stable")[:top]
    return np.asarray(cards[reviewed][positive[reviewed]], np.int64)


def ranked(scores: Floats) -> Floats:
    """The scores with NaN, which is unknown, below all others."""
    return np.where(np.isnan(scores), -np.inf, scores)
