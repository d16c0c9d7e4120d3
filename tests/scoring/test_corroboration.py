"""A group whose strange payments are strange for no other one is doubted; what is far stranger counts all the same."""

import numpy as np
import pytest

from scoring import Features, Reference, corroboration, score
from scoring.columns import Floats
from scoring.corroboration import CATCHING_UP, DOUBTED, FULL_LIFT, doubts, lifts
from scoring.reference import GROUPS, NO_DOUBTS, NOISE, TIE_BREAKER, WEIGHTS, contributions
from scoring.tails import LARGEST_SURPRISE, Tail
from tests.scoring.histories import population, reference_of

ROWS = 400_000
# A group's surprise as it is.
PLAIN = Tail(np.array([0.0, LARGEST_SURPRISE]), np.array([0.0, LARGEST_SURPRISE]))


def by_chance(groups: int, seed: int = 1) -> Floats:
    """(ROWS, groups) surprises that know nothing of each other."""
    return -np.log10(np.random.default_rng(seed).random((ROWS, groups)))


def test_groups_that_are_strange_together_only_by_chance_are_doubted() -> None:
    assert lifts(by_chance(6) >= 2) == pytest.approx([1.0] * 6, abs=0.3)
    assert all(doubt > DOUBTED / 2 for doubt in doubts(by_chance(6)))


def test_a_group_that_another_one_bears_out_is_not_doubted_and_the_others_still_are() -> None:
    surprises = by_chance(6)
    # A third of what is strange for the first group is so for the second one, too.
    both = (surprises[:, 0] >= 2) & (np.random.default_rng(2).random(ROWS) < 0.3)
    surprises[both, 1] = 5.0
    first, second, *others = doubts(surprises)
    assert first == second == 0
    assert all(other > DOUBTED / 2 for other in others)


def test_of_a_population_of_few_nothing_is_known() -> None:
    assert lifts(np.zeros((1, 3), np.bool_)) == [FULL_LIFT] * 3
    assert max(doubts(by_chance(6)[:2_000])) < DOUBTED / 3


def test_a_group_that_knows_nothing_is_strange_for_nobody() -> None:
    surprises = by_chance(3)
    surprises[:, 2] = np.nan
    assert lifts(surprises >= 2)[2] == FULL_LIFT


@pytest.mark.parametrize("doubt", [0.0, 0.7, DOUBTED])
def test_doubt_takes_the_first_decades_and_nothing_of_the_last(doubt: float) -> None:
    surprise = np.linspace(0, LARGEST_SURPRISE, 801)
    means = np.full((len(surprise), len(GROUPS)), np.nan)
    place = GROUPS.index("velocity")
    means[:, place] = surprise
    found = contributions(means, {"velocity": PLAIN}, WEIGHTS, {**NO_DOUBTS, "velocity": doubt})[:, place]
    plain = contributions(means, {"velocity": PLAIN}, WEIGHTS, NO_DOUBTS)[:, place]
    assert (found <= plain).all()
    assert (np.diff(found) >= 0).all()
    noise = surprise <= NOISE["velocity"] + doubt
    np.testing.assert_allclose(found[noise], TIE_BREAKER * surprise[noise], atol=1e-12)
    whole = surprise >= NOISE["velocity"] + doubt * CATCHING_UP / (CATCHING_UP - 1)
    assert whole[-1]
    np.testing.assert_allclose(found[whole], plain[whole], rtol=1e-12)


@pytest.fixture(scope="module")
def features() -> Features:
    return reference_of(population(seed=3, users=200, keyed=True))[0]


def test_a_reference_doubts_what_its_population_does_not_bear_out(features: Features) -> None:
    """Nothing but chance is in it, and amounts that are strange in several ways because they are the same."""
    found = Reference.fit(features).doubts
    assert found["velocity"] > 0
    assert found["own_amount"] == found["population_amount"] == 0
    assert found["repeat"] == found["merchant_surge"] == found["departures"] == 0


def test_doubts_travel_with_the_reference_and_one_row_has_the_bits_of_many(features: Features) -> None:
    reference = Reference.from_bytes(Reference.fit(features).to_bytes())
    assert reference.doubts == Reference.fit(features).doubts
    many = score(features, reference)
    strange = np.flatnonzero(many.contributions[:, GROUPS.index("velocity")] > 0.1)[:20]
    assert len(strange)
    for i in strange.tolist():
        assert score(features.take(slice(i, i + 1)), reference).raw[0] == many.raw[i]


def test_rarity_is_that_of_raw_with_its_doubts(features: Features, monkeypatch: pytest.MonkeyPatch) -> None:
    for doubted in (DOUBTED, 0.0):
        monkeypatch.setattr(corroboration, "DOUBTED", doubted)
        assert np.mean(score(features, Reference.fit(features)).score >= 40) == pytest.approx(0.01, rel=0.2)
