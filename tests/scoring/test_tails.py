"""Sketches of a population's upper tail."""

import numpy as np
import pytest

from scoring import tails


def test_surprise_is_the_share_at_or_above_in_decades() -> None:
    tail = tails.fit(np.arange(10_000.0))
    assert tail is not None
    np.testing.assert_allclose(tail.surprise(np.array([5000.0, 9000.0, 9900.0])), [np.log10(2), 1, 2], atol=0.01)


def test_beyond_q99_the_slope_of_the_last_decade_goes_on() -> None:
    rng = np.random.default_rng(0)
    tail = tails.fit(rng.exponential(1 / np.log(10), 200_000))
    assert tail is not None
    # An exponential tail is a straight line in decades, so the line holds far beyond the data.
    np.testing.assert_allclose(tail.surprise(np.array([1.0, 2.0, 4.0, 7.0])), [1, 2, 4, 7], rtol=0.03)


def test_frauds_in_the_reference_do_not_saturate_the_tail() -> None:
    values = np.concatenate((np.random.default_rng(0).normal(size=10_000), np.full(30, 50.0)))
    tail = tails.fit(values)
    assert tail is not None
    assert tail.surprise(np.array([50.0]))[0] > tail.surprise(np.array([5.0]))[0] > 4


def test_surprise_is_capped() -> None:
    tail = tails.fit(np.arange(1000.0))
    assert tail is not None
    assert tail.surprise(np.array([1e12]))[0] == tails.LARGEST_SURPRISE


def test_the_commonest_value_of_a_count_is_no_surprise() -> None:
    counts = np.repeat([0.0, 1.0, 2.0], [9000, 900, 100])
    tail = tails.fit(counts)
    assert tail is not None
    common, some, rare = tail.surprise(np.array([0.0, 1.0, 2.0]))
    assert common == pytest.approx(-np.log10(0.55))
    assert some == pytest.approx(-np.log10(0.055))
    assert rare > 2


def test_a_feature_that_never_varies_surprises_only_when_it_does() -> None:
    tail = tails.fit(np.zeros(1000))
    assert tail is not None
    np.testing.assert_allclose(tail.surprise(np.array([0.0, 1.0])), [np.log10(2), tails.UNSEEN_SURPRISE])


def test_the_unknown_stays_unknown() -> None:
    for values in (np.zeros(1000), np.arange(1000.0)):
        tail = tails.fit(values)
        assert tail is not None
        assert np.isnan(tail.surprise(np.array([np.nan, 1.0])))[0]


def test_too_few_known_values_have_no_tail() -> None:
    values = np.append(np.arange(tails.MINIMUM_VALUES - 1.0), np.full(500, np.nan))
    assert tails.fit(values) is None
    assert tails.fit(np.append(values, 1.0)) is not None


def test_a_sketch_is_bounded_whatever_the_number_of_values() -> None:
    tail = tails.fit(np.random.default_rng(0).normal(size=500_000))
    assert tail is not None
    assert len(tail.values) <= len(tails.KEPT_SURPRISES) + 3


def test_surprise_never_falls_as_the_value_grows() -> None:
    rng = np.random.default_rng(1)
    for values in (rng.normal(size=5000), rng.poisson(0.1, 5000).astype(float), rng.lognormal(0, 2, 300)):
        tail = tails.fit(values)
        assert tail is not None
        assert (np.diff(tail.surprise(np.linspace(values.min() - 1, values.max() * 2, 2000))) >= 0).all()
        assert (np.diff(tail.values) > 0).all()


def test_the_value_of_a_surprise_is_the_quantile() -> None:
    tail = tails.fit(np.arange(10_000.0))
    assert tail is not None
    assert tail.value(2.0) == pytest.approx(9900, abs=2)


def test_shares_are_followed_to_their_end_and_not_beyond() -> None:
    tail = tails.fit(np.arange(10_000.0), trusted=np.inf)
    assert tail is not None
    assert tail.surprise(np.array([9999.0, 1e12])).tolist() == pytest.approx([4.3, 4.3], abs=0.01)


def test_ranks_are_shares_of_distinct_values() -> None:
    values = np.random.default_rng(2).integers(0, 300, 1000) / 7
    distinct, counts = np.unique(values, return_counts=True)
    above = len(values) - np.cumsum(counts)
    found = tails.ranks(np.sort(values))
    np.testing.assert_array_equal(found[0], distinct)
    np.testing.assert_array_equal(found[1], -np.log10((above + counts / 2) / len(values)))


def test_a_tail_is_that_of_the_known_values_in_whatever_order() -> None:
    rng = np.random.default_rng(3)
    known = rng.lognormal(size=2000)
    tail, again = tails.fit(rng.permutation(np.append(known, np.full(700, np.nan)))), tails.fit(np.sort(known))
    assert tail is not None
    assert again is not None
    assert tail.as_json() == again.as_json() == tails.sketch(known).as_json()
