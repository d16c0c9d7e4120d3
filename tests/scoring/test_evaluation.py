"""Metrics of a ranking, against values worked out by hand."""

import numpy as np
import pytest

from scoring.columns import Ints
from scoring.evaluation import (
    Caught,
    Ranking,
    auc,
    average_precision,
    bootstrapped,
    budget_alerts,
    card_precision,
    card_precision_ceiling,
    judged,
)


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


def numbers(*values: int) -> Ints:
    return np.array(values, np.int64)


def test_a_card_leaves_the_test_when_its_fraud_becomes_known() -> None:
    card, day = np.zeros(4, np.int64), numbers(100, 102, 103, 104)
    fraud = np.array([True, False, False, False])
    assert judged(card, day, fraud, start=101, days=7, delay=2).tolist() == [False, True, False, False]
    assert judged(card, day, fraud, start=101, days=7, delay=3).tolist() == [False, True, True, False]


def test_only_frauds_of_the_training_days_count_as_known() -> None:
    card, day, fraud = np.zeros(2, np.int64), numbers(85, 100), np.array([True, False])
    assert judged(card, day, fraud, start=100, days=1).tolist() == [False, True]
    assert judged(card, day, fraud, start=99, days=2).tolist() == [False, False]


def test_the_ceiling_counts_a_card_once() -> None:
    day = numbers(0, 0, 1, 1)
    fraud = np.array([True, False, True, False])
    assert card_precision_ceiling(fraud, card=numbers(1, 2, 1, 2), day=day, top=1) == 0.5
    assert card_precision_ceiling(fraud, card=numbers(1, 2, 3, 2), day=day, top=1) == 1
    assert card_precision_ceiling(fraud, card=numbers(1, 2, 3, 2), day=day, top=4) == 0.25


def test_the_ceiling_leaves_a_card_to_a_day_with_room() -> None:
    # On day 0 there is room for one of the cards 1 and 2. Only card 1 has a fraud on day 1 too.
    card, day = numbers(1, 2, 1), numbers(0, 0, 1)
    assert card_precision_ceiling(np.ones(3, np.bool_), card=card, day=day, top=1) == 1


def test_without_frauds_the_ceiling_is_the_floor() -> None:
    nothing = np.zeros(0, np.int64)
    assert card_precision_ceiling(np.zeros(2, np.bool_), card=numbers(1, 2), day=numbers(0, 0)) == 0
    assert np.isnan(card_precision_ceiling(np.zeros(0, np.bool_), card=nothing, day=nothing))


def test_the_ceiling_is_reached_by_the_truth_and_by_nothing_passed() -> None:
    random = np.random.default_rng(4)
    card, day = random.integers(200, size=3000), random.integers(7, size=3000)
    fraud = random.random(3000) < 0.02
    ceiling = card_precision_ceiling(fraud, card=card, day=day, top=20)
    assert card_precision(fraud.astype(float), fraud, card=card, day=day, top=20) == pytest.approx(ceiling)
    assert card_precision(random.random(3000), fraud, card=card, day=day, top=20) < ceiling


def test_users_drawn_twice_weigh_as_if_they_were_two() -> None:
    random = np.random.default_rng(1)
    user, labels, scores = random.integers(9, size=300), random.random(300) < 0.1, random.integers(30, size=300) / 3
    copies = random.integers(4, size=9)
    twice = np.repeat(np.arange(300), copies[user])
    ranking = Ranking(scores, labels, user)
    assert ranking.auc(copies) == pytest.approx(auc(scores[twice], labels[twice]))
    assert ranking.average_precision(copies) == pytest.approx(average_precision(scores[twice], labels[twice]))


def test_the_curve_steps_down_to_the_share_of_positives() -> None:
    recall, precision = Ranking(
        np.array([4.0, 3, 2, 1]), np.array([True, False, True, False]), numbers(0, 0, 0, 0)
    ).curve()
    assert recall.tolist() == [0.5, 1]
    assert precision.tolist() == pytest.approx([1, 2 / 3])


def sample(users: int) -> tuple[Ranking, int]:
    """Ten rows a user, one in twenty positive, which a noisy score half knows."""
    random = np.random.default_rng(users)
    labels = random.random(users * 10) < 0.05
    return Ranking(labels + random.normal(size=users * 10), labels, np.repeat(np.arange(users), 10)), users


def test_an_interval_holds_its_figure_and_shrinks_with_the_users() -> None:
    few, many = (
        bootstrapped(ranking.auc, users=users, resamples=100) for ranking, users in (sample(100), sample(1600))
    )
    assert all(found.low < found.value < found.high for found in (few, many))
    assert (many.high - many.low) < 0.5 * (few.high - few.low)


def test_the_same_seed_gives_the_same_interval() -> None:
    ranking, users = sample(50)
    once, again, other = (bootstrapped(ranking.auc, users=users, resamples=20, seed=seed) for seed in (1, 1, 2))
    assert once == again
    assert once.low != other.low


def test_a_figure_that_is_unknown_has_no_interval() -> None:
    ranking = Ranking(np.ones(3), np.zeros(3, np.bool_), numbers(0, 1, 2))
    assert np.isnan(bootstrapped(ranking.auc, users=3, resamples=5)).all()


def test_alerts_are_what_the_budget_allowed_before() -> None:
    # Each of 10 days has users 0 to 9 at scores of 0 to 9, so two a day are above 7.
    day, card = np.repeat(np.arange(10), 10), np.tile(np.arange(10), 10)
    alerts = budget_alerts(card.astype(float), card=card, day=day, start=5, budget=2)
    assert set(card[alerts]) == {8, 9}
    assert set(day[alerts]) == {5, 6, 7, 8, 9}


def test_a_score_that_all_share_alerts_on_nobody() -> None:
    day, card = np.repeat(np.arange(4), 10), np.tile(np.arange(10), 4)
    assert not budget_alerts(np.ones(40), card=card, day=day, start=2, budget=2).any()


def test_a_budget_for_everybody_alerts_on_every_known_score() -> None:
    scores = np.array([1.0, np.nan, 2.0, np.nan])
    alerts = budget_alerts(scores, card=numbers(1, 2, 1, 2), day=numbers(0, 0, 1, 1), start=1, budget=9)
    assert alerts.tolist() == [False, False, True, False]


def test_a_day_without_past_gives_no_alert() -> None:
    assert not budget_alerts(np.ones(2), card=numbers(1, 2), day=numbers(5, 5), start=5, budget=1).any()


def test_recall_and_precision_follow_the_users_drawn() -> None:
    alerts, labels = np.array([True, True, False, True]), np.array([True, False, True, True])
    caught = Caught(alerts, labels, numbers(0, 0, 1, 1), users=3)
    everybody, first = np.ones(3, np.int64), numbers(1, 0, 0)
    assert caught.recall(everybody) == pytest.approx(2 / 3)
    assert caught.precision(everybody) == pytest.approx(2 / 3)
    assert (caught.recall(first), caught.precision(first)) == (1, 0.5)
    assert np.isnan(caught.recall(numbers(0, 0, 1)))
