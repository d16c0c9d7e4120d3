"""References: what they learn, how they travel, what they refuse."""

import json

import numpy as np
import pytest

from scoring import MINIMUM_ROWS, BadReference, Columns, Reference, TooFewRows, build, joint, score, visits
from scoring.reference import GROUPS, ROWS_AT_A_TIME, known_mean, known_most, summed, tail_of_raw
from tests.scoring.histories import history, picked, population, reference_of, scaled, together


def test_a_reference_read_back_scores_the_same_to_the_last_bit() -> None:
    features, reference = reference_of(population(keyed=True))
    again = Reference.from_bytes(reference.to_bytes())
    np.testing.assert_array_equal(score(features, again).score, score(features, reference).score)
    assert again.to_bytes() == reference.to_bytes()


def test_the_size_is_bounded_whatever_the_number_of_rows() -> None:
    _, small = reference_of(population(users=30))
    _, large = reference_of(population(users=600))
    assert len(large.to_bytes()) < 1.5 * len(small.to_bytes()) < 200_000


def test_too_few_rows_are_refused() -> None:
    features = build(history(np.random.default_rng(0), rows=MINIMUM_ROWS))
    assert Reference.fit(features).rows == MINIMUM_ROWS
    with pytest.raises(TooFewRows, match=f"{MINIMUM_ROWS - 1} rows"):
        Reference.fit(features.take(slice(1, None)))


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"{}", b'{"version":1}', b'{"version":1,"rows":[]}', b"null"])
def test_other_bytes_are_no_reference(data: bytes) -> None:
    with pytest.raises(BadReference):
        Reference.from_bytes(data)


def test_a_reference_of_another_version_is_refused() -> None:
    _, reference = reference_of(population())
    data = json.loads(reference.to_bytes()) | {"version": 99}
    with pytest.raises(BadReference, match="version 99"):
        Reference.from_bytes(json.dumps(data).encode())


def test_a_currency_the_reference_hardly_saw_is_unknown() -> None:
    columns = population()
    columns.currency[:150] = 5
    features, reference = reference_of(columns)
    place = GROUPS.index("population_amount")
    contributions = score(features, reference).contributions[:, place]
    assert set(reference.norms.amounts) == {0}
    assert (contributions[:150] == 0).all()
    assert (contributions[150:] > 0).all()


def test_amounts_of_a_currency_are_compared_with_that_currency_alone() -> None:
    yen = population(seed=2, users=20)
    yen.currency[:] = 392
    yen.user[:] += 1000
    both = together([population(seed=1, users=20), scaled(yen, 150)])
    features, reference = reference_of(both)
    surprise = reference.norms.surprise(features, "amount_in_population")
    assert surprise[: len(both) // 2].mean() == pytest.approx(surprise[len(both) // 2 :].mean(), abs=0.01)


def test_a_user_without_a_past_gets_only_population_evidence() -> None:
    _, reference = reference_of(population())
    newcomer = picked(history(np.random.default_rng(3), rows=5, user=77), np.arange(5) < 3)
    scores = score(build(newcomer), reference)
    of_all = [GROUPS.index(group) for group in ("population_amount", "hour")]
    others = [place for place in range(len(GROUPS)) if place not in of_all]
    assert (scores.contributions[:, others][0] == 0).all()
    assert (scores.contributions[:, of_all] > 0).all()


def test_groups_without_keys_are_silent() -> None:
    features, reference = reference_of(population())
    assert (score(features, reference).contributions[:, GROUPS.index("category")] == 0).all()
    assert not reference.norms.in_category


def test_what_one_user_repeats_does_not_become_usual() -> None:
    columns = population(users=100)
    columns.minor[:50] = 10_000_000
    columns.at_us[:50] = columns.at_us[0]
    _, reference = reference_of(columns)
    (histogram,) = reference.norms.at_hour.values()
    assert histogram.counts[joint.EDGES.searchsorted(10_000_000, side="right")].sum() == 1


def test_rare_categories_beyond_the_bound_are_unknown() -> None:
    columns = population(users=100)
    columns.category[:] = 1 + np.minimum(np.arange(len(columns)) % 400, 70)
    features, reference = reference_of(columns)
    (histogram,) = reference.norms.in_category.values()
    assert len(histogram.keys) == joint.MOST_CATEGORIES
    surprise = reference.norms.surprise(features, "amount_in_category")
    assert np.isnan(surprise).mean() == pytest.approx(7 / 400, abs=1e-9)


def test_fitting_and_scoring_leave_the_features_alone() -> None:
    features, reference = reference_of(population())
    before, bytes_before = features.values.copy(), reference.to_bytes()
    score(features, reference)
    np.testing.assert_array_equal(features.values, before)
    assert reference.to_bytes() == bytes_before


def test_strangers_with_currencies_of_their_own_are_no_anomalies() -> None:
    rows = MINIMUM_ROWS
    strangers = Columns(
        user=np.arange(rows),
        at_us=np.arange(rows),
        minor=np.arange(rows),
        currency=np.arange(rows, dtype=np.int32),
        failed=np.zeros(rows, np.bool_),
    )
    scores = score(build(strangers), Reference.fit(build(strangers)))
    assert (scores.score < 40).all()


@pytest.mark.parametrize("rows", [600, 3_000, 100_000])
def test_groups_that_exceed_together_are_as_rare_in_a_small_population_as_in_a_large_one(rows: int) -> None:
    """Five groups with the same surprise. Of 600 rows one in twenty is seen; one in 10,000 goes on from there."""
    surprise = -np.log10((np.arange(rows) + 0.5) / rows)
    raw = tail_of_raw(5 * np.maximum(surprise - 1, 0), together=5.0)
    assert raw.surprise(np.array([5 * 3.0]))[0] == pytest.approx(4.0, abs=0.2)


def test_a_small_population_is_not_continued_from_where_no_row_has_a_reason() -> None:
    """Most rows have none, so that raw hardly grows up to one in ten: no measure of how it grows beyond."""
    raw = np.concatenate((np.zeros(540), np.linspace(0.0, 0.5, 60)))
    assert tail_of_raw(raw, together=8.0).surprise(np.array([3.0]))[0] < 2.0
    assert tail_of_raw(raw, together=0.0).surprise(np.array([3.0]))[0] == 8.0


def test_rarity_is_that_among_rows_which_the_norms_had_not_learned_from() -> None:
    """Everybody begins to pay four times as much. Norms of before are surprised, norms that learned from it are not."""
    before, after = build(population()), build(scaled(population(seed=1), 4.0))
    old = Reference.fit(before)
    learned, judged = Reference.fit(after), Reference.fit(after, earlier=[(np.ones(len(after), np.bool_), old)])
    surprised = score(after, old).raw
    assert (surprised > learned.raw.value(2.0)).mean() > 0.03
    assert (surprised > judged.raw.value(2.0)).mean() == pytest.approx(0.01, abs=0.002)
    np.testing.assert_array_equal(score(after, learned).raw, score(after, judged).raw)


def test_rows_that_nobody_judged_count_as_the_reference_itself_judges_them() -> None:
    rows = build(population())
    some, itself = np.arange(len(rows)) % 2 == 0, Reference.fit(rows)
    assert Reference.fit(rows, earlier=[(some, itself)]).to_bytes() == itself.to_bytes()


def test_rows_have_the_same_bits_whatever_rows_they_are_judged_with() -> None:
    """Many go through tables of places and in several blocks, few do not. Only three of the currencies are known."""
    rng = np.random.default_rng(4)
    parts = [history(rng, rows=300, user=user, currencies=5, keyed=True) for user in range(60)]
    columns = together(parts)
    features = build(columns, None, visits.within(columns))
    assert len(features) > ROWS_AT_A_TIME
    reference = Reference.fit(features.take(features.currency < 3))
    many = score(features, reference)
    for start in range(0, len(features), 700):
        rows = slice(start, start + 700)
        few = score(features.take(rows), reference)
        np.testing.assert_array_equal(few.contributions, many.contributions[rows])
        for number in ("raw", "rarity", "score"):
            np.testing.assert_array_equal(getattr(few, number), getattr(many, number)[rows])


def test_a_histogram_counts_each_cell_as_often_as_it_was_first() -> None:
    rng = np.random.default_rng(6)
    amount, first = rng.integers(0, joint.BINS, 5000).astype(float), rng.integers(0, 2, 5000).astype(float)
    for circular, key in ((True, rng.integers(0, 24, 5000)), (False, rng.integers(0, 40, 5000) * 2**40)):
        histogram = joint.Histogram.fit(amount, key.astype(float), first, circular=circular)
        for place, one in enumerate(histogram.keys):
            counted = np.bincount(amount[(key == one) & (first > 0)].astype(int), minlength=joint.BINS)
            np.testing.assert_array_equal(histogram.counts[:, place], counted)
        assert histogram.counts.sum() == first.sum()


def test_nothing_is_judged_as_nothing() -> None:
    features, reference = reference_of(population())
    nothing = score(features.take(slice(0)), reference)
    assert (nothing.contributions.shape, nothing.raw.shape) == ((0, len(GROUPS)), (0,))


def test_the_unknown_counts_neither_in_a_mean_nor_as_the_most() -> None:
    columns = [
        np.array(column) for column in ([1.0, np.nan, 0.0, np.nan], [4.0, 2.0, np.nan, np.nan], [1.0, 0, 3, np.nan])
    ]
    np.testing.assert_array_equal(known_mean(columns), [2.0, 1.0, 1.5, np.nan])
    np.testing.assert_array_equal(known_most(columns), [4.0, 2.0, 3.0, np.nan])
    np.testing.assert_array_equal(columns[0], [1.0, np.nan, 0.0, np.nan])


def test_raw_has_the_bits_of_numpys_sum_of_a_row() -> None:
    parts = np.random.default_rng(5).lognormal(0, 5, (500, len(GROUPS)))
    expected = parts.sum(axis=1)
    np.testing.assert_array_equal(summed([*np.asfortranarray(parts).T]), expected)
    assert [summed(row) for row in parts.tolist()] == expected.tolist()
