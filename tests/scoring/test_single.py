"""One row scored alone, in plain floats, has the bits and the reasons that it has among many."""

import numpy as np
import pytest

from scoring import Features, Reference, explain, score
from scoring.tails import Tail, sketch
from tests.scoring.histories import population, reference_of

# Row by row: every user's first rows, where little is known, are among them.
ROWS = range(0, 6000, 13)


@pytest.fixture(scope="module", params=[True, False], ids=["keys", "no keys"])
def fitted(request: pytest.FixtureRequest) -> tuple[Features, Reference]:
    return reference_of(population(seed=3, keyed=request.param))


def test_a_row_alone_has_the_score_that_it_has_among_many(fitted: tuple[Features, Reference]) -> None:
    features, reference = fitted
    many = score(features, reference)
    for i in ROWS:
        alone = score(features.take(slice(i, i + 1)), reference)
        assert alone.contributions[0].tolist() == many.contributions[i].tolist()
        assert (alone.raw[0], alone.rarity[0], alone.score[0]) == (many.raw[i], many.rarity[i], many.score[i])


def test_a_row_alone_has_the_reasons_that_it_has_among_many(fitted: tuple[Features, Reference]) -> None:
    features, reference = fitted
    many = explain(features, score(features, reference), ROWS)
    for i, reasons in zip(ROWS, many, strict=True):
        row = features.take(slice(i, i + 1))
        assert explain(row, score(row, reference), [0]) == [reasons]


def test_the_surprise_of_one_value_is_that_of_many() -> None:
    rng = np.random.default_rng(4)
    tail = sketch(rng.integers(0, 40, 3000) / 7)
    between = rng.uniform(-1, 9, 500)
    values = np.concatenate((between, tail.values, np.nextafter(tail.values, np.inf), [-np.inf, np.inf]))
    assert [tail.surprise_of(value) for value in values.tolist()] == tail.surprise(values).tolist()


def test_a_tail_of_one_knot_has_one_surprise() -> None:
    tail = Tail(np.array([2.0]), np.array([0.3]))
    assert [tail.surprise_of(value) for value in (1.0, 2.0, 3.0)] == [0.3, 0.3, 0.3]
