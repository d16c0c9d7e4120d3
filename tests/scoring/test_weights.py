"""A model's weights: what they may be, what they do to a score, and that a reference carries them along."""

import json
from math import inf, nan

import numpy as np
import pytest

from scoring import Features, Reference, reasons, score
from scoring.corroboration import CATCHING_UP
from scoring.reference import GROUPS, NO_DOUBTS, TIE_BREAKER, WEIGHTS, contributions
from scoring.weights import BadWeights, checked
from tests.scoring.histories import population, reference_of

GIVEN = {"hour": 0.5, "own_amount": 3.0, "novelty": 0.0}


@pytest.fixture(scope="module")
def features() -> Features:
    return reference_of(population(seed=3, keyed=True))[0]


@pytest.fixture(scope="module")
def weighted(features: Features) -> Reference:
    return Reference.fit(features, GIVEN)


def test_a_weight_multiplies_what_lies_beyond_the_first_decade(features: Features, weighted: Reference) -> None:
    means = weighted.norms.group_means(features)
    for group, weight in {"hour": 0.5, "own_amount": 3.0, "novelty": 0.0, "velocity": 1.0}.items():
        place = GROUPS.index(group)
        surprise = weighted.groups[group].surprise(np.nan_to_num(means[:, place], nan=-np.inf))
        decades = np.minimum(surprise - 1, CATCHING_UP * (surprise - 1 - weighted.doubts[group]))
        expected = weight * np.clip(decades, 0, None) + TIE_BREAKER * surprise
        known = ~np.isnan(means[:, place])
        np.testing.assert_allclose(
            score(features, weighted).contributions[known, place], expected[known], rtol=0, atol=1e-12
        )
        assert (expected[known] > 0.5).any() or not weight


def test_a_charge_that_comes_again_counts_from_its_first_decade_on() -> None:
    """No row has it by rank, unlike a surge, of which every row at the merchant has some."""
    found = contributions(np.full((1, len(GROUPS)), 2.0), {}, WEIGHTS, NO_DOUBTS)[0]
    assert found[GROUPS.index("repeat")] == pytest.approx(2 + 2 * TIE_BREAKER)
    assert found[GROUPS.index("merchant_surge")] == pytest.approx(1 + 2 * TIE_BREAKER)


def test_the_norms_are_those_of_every_model_and_only_raw_is_its_own(features: Features, weighted: Reference) -> None:
    plain, other = (json.loads(one.to_bytes()) for one in (Reference.fit(features), weighted))
    assert {name for name in plain if plain[name] != other[name]} == {"raw", "weights"}


def test_a_score_means_the_same_whatever_the_weights(features: Features, weighted: Reference) -> None:
    for reference in (Reference.fit(features), weighted):
        assert np.mean(score(features, reference).score >= 40) == pytest.approx(0.01, rel=0.2)


def test_equal_weights_of_one_are_no_weights_to_the_last_bit(features: Features) -> None:
    assert Reference.fit(features, dict.fromkeys(GROUPS, 1.0)).to_bytes() == Reference.fit(features).to_bytes()


def test_a_row_alone_has_the_bits_that_it_has_among_many_with_weights(features: Features, weighted: Reference) -> None:
    many = score(features, weighted)
    for i in range(0, 6000, 101):
        row = features.take(slice(i, i + 1))
        alone = score(row, weighted)
        assert alone.contributions[0].tolist() == many.contributions[i].tolist()
        assert (alone.raw[0], alone.score[0]) == (many.raw[i], many.score[i])
        found = reasons(row, alone, 0)
        assert sum(reason["contribution"] for reason in found) == pytest.approx(alone.raw[0])


def test_weights_travel_with_the_reference(features: Features, weighted: Reference) -> None:
    again = Reference.from_bytes(weighted.to_bytes())
    assert again.weights == {**dict.fromkeys(GROUPS, 1.0), **GIVEN}
    np.testing.assert_array_equal(score(features, again).score, score(features, weighted).score)


def test_good_weights_come_back_as_numbers_in_the_order_of_the_groups() -> None:
    assert list(checked({"hour": 1, "own_amount": 10}).items()) == [("own_amount", 10.0), ("hour", 1.0)]
    assert checked({}) == {}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"hours": 1}, "no group 'hours'. The groups are: own_amount, population_amount, spell"),
        ({"hour": -0.1}, "hour is not from 0 to 10"),
        ({"hour": 10.5}, "hour is not from 0 to 10"),
        ({"hour": nan}, "hour is not from 0 to 10"),
        ({"hour": inf}, "hour is not from 0 to 10"),
        ({"hour": True}, "hour is no number"),
        ({"hour": "1"}, "hour is no number"),
        ({"hour": 10**400}, "hour is not from 0 to 10"),
        ([], "an object of groups"),
        (None, "an object of groups"),
    ],
)
def test_other_weights_are_refused_with_a_sentence(given: object, told: str) -> None:
    with pytest.raises(BadWeights, match=told):
        checked(given)
