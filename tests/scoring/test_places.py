"""The quick ways to look up many values, against the plain ones: the same to the last bit."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from scoring import places
from scoring.places import MOST_CELLS, MOST_IN_A_CELL, among
from scoring.tails import KEPT_SURPRISES, Tail, sketch

# No deadline for one example: a busy machine is no fault of the code.
unhurried = settings(deadline=None, max_examples=60)
# Twice as much is still a float.
finite = st.floats(-1e300, 1e300)
usual = st.integers(-50, 50).map(float) | st.floats(0, 1e-3) | st.floats(-10, 1e4)


@st.composite
def knots(draw: st.DrawFn) -> np.ndarray:
    """From one to as many as a tail has; some lie as close together as floats can."""
    apart = draw(arrays.arrays(np.float64, st.integers(1, 60), elements=usual | finite))
    close = np.nextafter(apart, np.inf)[draw(arrays.arrays(np.bool_, len(apart)))]
    return np.unique(np.concatenate((apart, close)) + 0.0)


def near(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The points, what is just above and below them and half-way between, the others, both zeros and both ends."""
    between = points[:-1] / 2 + points[1:] / 2
    around = [np.nextafter(points, limit) for limit in (np.inf, -np.inf)]
    return np.concatenate((points, between, *around, others, [0.0, -0.0, np.inf, -np.inf]))


@unhurried
@given(knots(), arrays.arrays(np.float64, 20, elements=usual | finite))
def test_a_place_is_the_one_that_a_binary_search_finds(knots: np.ndarray, others: np.ndarray) -> None:
    values = near(knots, others)
    np.testing.assert_array_equal(among(knots).up_to(values), knots.searchsorted(values, side="right"))


@unhurried
@given(knots(), st.integers(0, 2**32 - 1), arrays.arrays(np.float64, 20, elements=usual | finite))
def test_a_surprise_among_many_is_the_one_that_interp_finds(knots: np.ndarray, seed: int, others: np.ndarray) -> None:
    # Between knots so close that their slope is no float, interp knows only infinity.
    knots = knots[(knots == 0) | (np.abs(knots) > 1e-270)]
    # Of a single one it says that the unknown is as high; no population has a tail of one.
    assume(len(knots) > 1)
    tail = Tail(knots, np.sort(np.random.default_rng(seed).uniform(0, 8, len(knots))))
    values = np.resize(np.append(near(knots, others), np.nan), places.MANY)
    np.testing.assert_array_equal(tail.surprise(values), np.interp(values, tail.values, tail.surprises))


def test_a_population_of_zeros_is_surprised_by_the_smallest_float() -> None:
    tail = sketch(np.zeros(1000))
    values = np.resize([-1.0, -0.0, 0.0, np.nextafter(0.0, 1.0), 7.0], places.MANY)
    np.testing.assert_array_equal(tail.surprise(values), np.interp(values, tail.values, tail.surprises))
    assert (tail.surprise(values) == 3.0).sum() == 2 * len(values) // 5


@pytest.mark.parametrize("many", [False, True])
def test_the_unknown_and_the_endless_have_their_surprises(many: bool) -> None:
    tail = sketch(np.random.default_rng(0).normal(size=3000))
    values = np.resize([np.nan, -np.nan, np.inf, -np.inf], places.MANY if many else 4)
    unknown = tail.surprise(values)[:4]
    np.testing.assert_array_equal(unknown, [np.nan, np.nan, 8.0, tail.surprises[0]])


def test_a_tail_whose_knots_lie_far_apart_needs_few_comparisons() -> None:
    for values in (np.random.default_rng(1).lognormal(0, 2, 100_000), np.arange(1000.0) ** 3):
        table = sketch(values).lines.places
        assert len(table.knots) > len(KEPT_SURPRISES) / 2
        assert table.in_a_cell <= 2
        assert len(table.earlier) <= MOST_CELLS


def test_where_a_table_does_not_help_a_binary_search_does() -> None:
    """Knots far from the first, beside each other: no table of this size tells them apart."""
    knots = np.append(0.0, 1e9 + np.arange(100) * 1e-6)
    table = among(knots)
    assert table.in_a_cell > MOST_IN_A_CELL
    values = near(knots, np.array([np.nan]))
    np.testing.assert_array_equal(table.up_to(values), knots.searchsorted(values, side="right"))
