"""What must hold for any history: no row sees the future, another user, or the size of the currency."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from scoring import GROUPS, KEYS, Columns, build, score
from scoring.features import NAMES
from tests.scoring.histories import DAY_US, START_US, picked, population, reference_of, scaled, together

# In currency units; everything else is relative to the user.
IN_UNITS = {"amount", "median", "deviation", "mean_90d", "spread_90d", "large_excess_14d", "spend_7d", "usual_7d"}
# A bin of the amount is the population's, and where its edges fall is nobody's amount.
BY_BIN = {"amount_bin", "first_at_hour", "first_in_category"}
# Logarithms are taken in steps, which are coarse for the smallest amounts.
BY_STEP = {"merchant_deviations", "merchant_amount", "merchant_spread"}
# Groups that compare amounts with everybody's.
OF_POPULATION = {"population_amount", "hour", "category"}
# No deadline for one example: a busy machine is no fault of the code.
unhurried = settings(deadline=None, max_examples=60)
_, REFERENCE = reference_of(population(keyed=True))


@st.composite
def users(draw: st.DrawFn, number: int = 1) -> Columns:
    """The rows of one user: few instants, few amounts and few currencies, so that many tie."""
    rows = draw(st.integers(1, 60))
    hours = draw(arrays.arrays(np.int64, rows, elements=st.integers(0, 24 * 40)))
    return Columns(
        user=np.full(rows, number),
        at_us=START_US + np.sort(hours) * (DAY_US // 24),
        minor=draw(arrays.arrays(np.int64, rows, elements=st.integers(0, 10**12) | st.integers(900, 1100))),
        currency=draw(arrays.arrays(np.int32, rows, elements=st.integers(0, 2))),
        failed=draw(arrays.arrays(np.bool_, rows)),
        **{key: draw(arrays.arrays(np.int64, rows, elements=st.integers(0, 3))) for key in KEYS},
    )


@unhurried
@given(users(), users(), st.integers(0, 59))
def test_later_rows_change_nothing(history: Columns, other: Columns, end: int) -> None:
    end = min(end, len(history) - 1)
    later = picked(other, other.at_us >= history.at_us[end])
    changed = together([picked(history, np.arange(len(history)) <= end), later])
    np.testing.assert_array_equal(build(changed).values[: end + 1], build(history).values[: end + 1])
    np.testing.assert_array_equal(build(history.part(0, end + 1)).values, build(history).values[: end + 1])


@unhurried
@given(users(), users(), st.integers(0, 59))
def test_a_score_does_not_change_with_what_comes_later(history: Columns, other: Columns, end: int) -> None:
    end = min(end, len(history) - 1)
    later = picked(other, other.at_us >= history.at_us[end])
    changed = together([history.part(0, end + 1), later])
    before, after = (score(build(columns), REFERENCE) for columns in (history, changed))
    np.testing.assert_array_equal(after.score[: end + 1], before.score[: end + 1])
    np.testing.assert_array_equal(after.contributions[: end + 1], before.contributions[: end + 1])


@unhurried
@given(users(), st.integers(0, 2))
def test_ten_times_all_amounts_of_a_currency_leave_the_users_own_surprises(history: Columns, currency: int) -> None:
    larger = np.where(history.currency == currency, scaled(history, 10).minor, history.minor)
    before, after = (score(build(columns), REFERENCE) for columns in (history, replace(history, minor=larger)))
    for group in set(GROUPS) - OF_POPULATION:
        place = GROUPS.index(group)
        np.testing.assert_allclose(after.contributions[:, place], before.contributions[:, place], rtol=0, atol=1e-9)


@unhurried
@given(users(), st.integers(0, 2))
def test_ten_times_all_amounts_of_a_currency_changes_no_relative_feature(history: Columns, currency: int) -> None:
    larger = np.where(history.currency == currency, scaled(history, 10).minor, history.minor)
    tenfold = replace(history, minor=larger)
    before, after = build(history), build(tenfold)
    for name in set(NAMES) - BY_BIN - BY_STEP:
        factor = np.where(history.currency == currency, 10, 1) if name in IN_UNITS else 1
        np.testing.assert_allclose(after.column(name), factor * before.column(name), rtol=1e-12, atol=1e-12)


@unhurried
@given(users(1), users(2), users(3), st.permutations([0, 1, 2]))
def test_the_order_of_the_users_changes_nothing(a: Columns, b: Columns, c: Columns, order: list[int]) -> None:
    parts = [a, b, c]
    apart = [build(part).values for part in parts]
    mixed = build(together([parts[place] for place in order])).values
    np.testing.assert_array_equal(mixed, np.concatenate([apart[place] for place in order]))


@unhurried
@given(users())
def test_contributions_sum_to_raw_and_scores_keep_their_range(history: Columns) -> None:
    scores = score(build(history), REFERENCE)
    np.testing.assert_allclose(scores.contributions.sum(axis=1), scores.raw, rtol=0, atol=1e-9)
    assert (scores.contributions >= 0).all()
    assert ((scores.score >= 0) & (scores.score <= 100)).all()
    assert (scores.rarity >= 1).all()


@unhurried
@given(users())
def test_a_row_scored_alone_has_the_score_of_the_batch(history: Columns) -> None:
    features = build(history)
    whole = score(features, REFERENCE)
    for i in range(0, len(history), 9):
        alone = score(features.take([i]), REFERENCE)
        assert alone.score[0] == whole.score[i]
        assert alone.raw[0] == whole.raw[i]
