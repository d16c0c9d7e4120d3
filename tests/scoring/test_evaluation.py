"""Metrics of a ranking, against values worked out by hand."""

import numpy as np
import pytest

from scoring.evaluation import auc, average_precision, card_precision


def test_auc_is_the_chance_that_a_positive_outranks_a_negative() -> None:
    # scikit-learn's own example: 3 of the 4 pairs are in order.
    assert auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])) == 0.75


def test_auc_counts_a_tie_half() -> None:
    assert auc(np.array([1.0, 1.0, 2.0]), np.array([True, False, False])) == 0.25
    assert auc(np.zeros(10), np.arange(10) < 3) == 0.5


def test_average_precision_has_no_interpolation() -> None:
    # scikit-learn's own example: 1/1 * 1/2 + 2/3 * 1/2.
    value = average_precision(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    assert value == pytest.approx(0.5 + 1 / 3)


def test_average_precision_takes_equal_scores_together() -> None:
    labels = np.arange(10) < 3
    assert average_precision(np.zeros(10), labels) == pytest.approx(0.3)
    assert average_precision(np.zeros(10), labels[::-1]) == pytest.approx(0.3)


def test_unknown_scores_rank_last() -> None:
    labels = np.array([True, False])
    assert auc(np.array([np.nan, 0.0]), labels) == 0
    assert average_precision(np.array([-5.0, np.nan]), labels) == 1


def test_without_both_kinds_there_is_no_metric() -> None:
    scores, none = np.arange(3.0), np.zeros(3, np.bool_)
    assert np.isnan(auc(scores, none))
    assert np.isnan(auc(scores, ~none))
    assert np.isnan(average_precision(scores, none))


def test_card_precision_ranks_cards_by_their_highest_row_of_the_day() -> None:
    scores = np.array([1.0, 9.0, 5.0, 4.0])
    card = np.array([7, 7, 8, 9])
    day = np.zeros(4, np.int64)
    # Card 7 leads with 9; its fraud is another row of the same day, and the card counts.
    assert card_precision(scores, np.array([True, False, False, False]), card=card, day=day, top=1) == 1
    assert card_precision(scores, np.array([False, False, False, True]), card=card, day=day, top=2) == 0


def test_a_card_found_on_one_day_makes_room_on_the_next() -> None:
    scores = np.array([9.0, 5.0, 9.0, 5.0])
    card = np.array([1, 2, 1, 2])
    day = np.array([0, 0, 1, 1])
    fraud = np.array([True, False, True, True])
    assert card_precision(scores, fraud, card=card, day=day, top=1) == 1
    assert card_precision(scores, fraud, card=card, day=day, top=2) == 0.5


def test_without_days_there_is_no_card_precision() -> None:
    nothing = np.zeros(0, np.int64)
    assert np.isnan(card_precision(np.zeros(0), np.zeros(0, np.bool_), card=nothing, day=nothing))
