"""raw, rarity, score and level."""

import numpy as np
import pytest

from scoring import Scores, build, level, score
from scoring.reference import GROUPS
from tests.scoring.histories import Columns, population, reference_of


@pytest.fixture(scope="module")
def ordinary() -> Scores:
    """Held-out ordinary rows, scored with a reference of other users."""
    _, reference = reference_of(population(seed=1, users=1500, keyed=True))
    return score(build(population(seed=2, users=1500, keyed=True)), reference)


@pytest.mark.parametrize(("least", "share", "slack"), [(40, 0.01, 0.25), (60, 0.001, 0.25)])
def test_the_score_says_how_common_a_row_is_among_ordinary_ones(
    ordinary: Scores, least: float, share: float, slack: float
) -> None:
    assert (ordinary.score >= least).mean() == pytest.approx(share, rel=slack)


def test_score_is_twenty_for_each_decade_of_rarity(ordinary: Scores) -> None:
    np.testing.assert_allclose(ordinary.score, np.minimum(20 * np.log10(ordinary.rarity), 100), atol=1e-9)


def test_a_larger_raw_never_has_a_smaller_score(ordinary: Scores) -> None:
    order = np.argsort(ordinary.raw)
    assert (np.diff(ordinary.score[order]) >= 0).all()


@pytest.mark.parametrize(
    ("points", "name"), [(0, "normal"), (39.9, "normal"), (40, "low"), (60, "medium"), (79.9, "medium"), (80, "high")]
)
def test_levels_begin_at_one_in_a_hundred_a_thousand_ten_thousand(points: float, name: str) -> None:
    assert level(points) == name


def changed(columns: Columns, **last: object) -> Scores:
    """Scores of the population where the last row of its last user is changed."""
    _, reference = reference_of(columns)
    parts = {name: getattr(columns, name).copy() for name in Columns.__slots__}
    for name, value in last.items():
        parts[name][-1] = value
    return score(build(Columns(**parts)), reference)


def test_twenty_times_the_usual_amount_scores_high() -> None:
    columns = population()
    scores = changed(columns, minor=20 * np.median(columns.minor[-100:]))
    assert scores.score[-1] > 60
    assert GROUPS[int(scores.contributions[-1].argmax())] in ("own_amount", "spell", "population_amount")


def test_a_wake_after_two_years_scores_for_its_silence() -> None:
    columns = population()
    scores = changed(columns, at_us=columns.at_us[-1] + 730 * 86_400_000_000)
    assert GROUPS[int(scores.contributions[-1].argmax())] == "silence"
    assert scores.score[-1] > 60


def test_a_burst_of_payments_scores_for_its_velocity() -> None:
    columns = population()
    # Not among the reference's rows: twelve of 6,000 would be one in 500 themselves.
    _, reference = reference_of(columns)
    columns.at_us[-12:] = columns.at_us[-1] + np.arange(12) * 60_000_000
    scores = score(build(columns), reference)
    assert GROUPS[int(scores.contributions[-1].argmax())] == "velocity"
    assert scores.score[-1] > 60


def test_failures_one_after_the_other_score_for_velocity() -> None:
    columns = population()
    scores = changed(columns)
    columns.failed[-5:] = True
    place = GROUPS.index("velocity")
    assert changed(columns).contributions[-1, place] > scores.contributions[-1, place]
