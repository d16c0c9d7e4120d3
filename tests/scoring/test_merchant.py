"""What a merchant's past tells about a payment: against plain accounts, and whoever reads the past."""

from dataclasses import replace
from math import log10, sqrt

import numpy as np
import pytest
from scipy.stats import poisson

from scoring import GROUPS, STRETCH_ROWS, Columns, Reference, Seen, Visits, build, build_last, score, visits
from scoring.merchant import telling
from scoring.visits import steps_of, within
from tests.scoring.histories import DAY_US, START_US, history, picked, population, seen_by, stretch, together


def crowd(seed: int = 3, *, step_us: int = 1, rows: int = 120) -> Columns:
    """Thirty users at three merchants, and some payments that name none."""
    rng = np.random.default_rng(seed)
    users = [history(rng, rows=rows, user=user, currencies=2, days=40, step_us=step_us) for user in range(30)]
    columns = together(users)
    return replace(columns, merchant=rng.integers(0, 4, len(columns)))


@pytest.mark.parametrize("step_us", [1, DAY_US // 2], ids=["instants", "ties"])
def test_a_merchants_numbers_are_what_their_definitions_say(step_us: int) -> None:
    columns = crowd(step_us=step_us)
    features = build(columns, None, within(columns))
    for i in range(0, len(columns), 97):
        row, seen = features.row(i), stretch(columns, i)
        if not columns.merchant[i]:
            assert "merchant_seen" not in row
            continue
        assert row["merchant_seen"] == len(seen)
        pause = sqrt((columns.at_us[i] - columns.at_us[seen[-1]]) / DAY_US) if seen else None
        assert row.get("merchant_silence") == (pause and pytest.approx(pause))
        if len(seen) >= 8:
            logs = steps_of(columns.minor[seen]) / 48
            spread = sqrt(np.mean(logs**2) - np.mean(logs) ** 2)
            assert row["merchant_spread"] == pytest.approx(spread, abs=1e-9)
            assert row["merchant_amount"] == pytest.approx(10 ** np.mean(logs) / 100)
            own = steps_of(columns.minor[i : i + 1])[0] / 48
            assert row["merchant_deviations"] == pytest.approx((own - np.mean(logs)) / max(spread, 0.1), abs=1e-9)
        for name, days in (("1d", 1), ("7d", 7)):
            assert_surge(row, columns.at_us[seen], int(columns.at_us[i]), name, days)


def assert_surge(row: dict[str, float], seen_us: np.ndarray, at_us: int, name: str, days: int) -> None:
    recent = seen_us >= at_us - days * DAY_US
    before = int((~recent).sum())
    span_days = (at_us - days * DAY_US - seen_us[0]) / DAY_US if len(seen_us) else 0
    if before < 8 or span_days < days:
        assert f"surge_{name}" not in row
        return
    usual, count = before * days / span_days, int(recent.sum())
    assert row[f"merchant_{name}"] == count
    assert row[f"merchant_usual_{name}"] == pytest.approx(usual)
    chance = -log10(poisson.sf(count, 2 * usual)) if count + 1 > 2 * usual else 0.0
    assert row[f"surge_{name}"] == pytest.approx(
        min(chance, 1 + log10((count + 1) / usual)) if chance else 0.0, abs=1e-9
    )


def test_a_surge_weighs_at_most_as_much_as_it_makes_a_payment_likelier() -> None:
    columns = crowded(100)
    surge = build(columns, None, within(columns)).row(len(columns) - 1)["surge_1d"]
    assert surge == pytest.approx(1 + log10(100 / (60 / 119 * 1)), rel=0.05)


def crowded(rush: int) -> Columns:
    """One merchant with a customer every second day, and with `rush` within the last hours."""
    at_us = np.append(np.arange(60) * 2 * DAY_US, 120 * DAY_US + np.arange(rush) * 1_000_000)
    rows = len(at_us)
    return Columns(
        user=np.arange(rows),
        at_us=START_US + at_us,
        minor=np.full(rows, 1000),
        currency=np.zeros(rows, np.int32),
        failed=np.zeros(rows, np.bool_),
        merchant=np.ones(rows, np.int64),
    )


def test_what_comes_later_at_the_merchant_changes_nothing() -> None:
    columns = crowd()
    whole = build(columns, None, within(columns))
    for day in (10, 25):
        kept = np.flatnonzero(columns.at_us < START_US + day * DAY_US)
        earlier = picked(columns, kept)
        np.testing.assert_array_equal(build(earlier, None, within(earlier)).values, whole.values[kept])


def test_payments_of_one_instant_do_not_see_each_other_so_their_order_is_nothing() -> None:
    columns = crowd(step_us=DAY_US)
    turned = np.concatenate([np.flatnonzero(columns.user == user) for user in range(29, -1, -1)])
    other = picked(columns, turned)
    mixed = build(other, None, within(other)).values
    # Where a stretch is cut within an instant its sums may differ by which of the tied payments it keeps.
    full = within(columns)
    uncut = (full.place - full.first < STRETCH_ROWS)[turned]
    np.testing.assert_array_equal(mixed[uncut], build(columns, None, full).values[turned][uncut])


def test_one_row_with_its_stretch_alone_has_the_numbers_of_the_whole_table() -> None:
    columns = crowd(rows=200)
    full = within(columns)
    whole = build(columns, None, full)
    for i in range(150, len(columns), 431):
        own = np.flatnonzero((columns.user == columns.user[i]) & (np.arange(len(columns)) <= i))
        past, wanted = picked(columns, own), np.arange(len(own)) == len(own) - 1
        asked_for = build(past, wanted, full.part(slice(i, i + 1)))
        np.testing.assert_array_equal(asked_for.values[0], whole.values[i])
        alone = build_last(past.stacked(), seen_by(columns, i, full))
        np.testing.assert_array_equal(alone.values[0], whole.values[i])


def test_a_merchant_tells_only_where_its_amounts_lie_closer_than_everybodys() -> None:
    deviations, spread = np.array([5.0, 5.0, 5.0, np.nan]), np.array([0.3, 0.5, 0.3, np.nan])
    told = telling(deviations, spread, np.array([0, 0, 1, 0], np.int32), {0: 0.5})
    np.testing.assert_array_equal(told, [5.0, np.nan, np.nan, np.nan])


def test_without_merchants_the_group_is_silent() -> None:
    columns = population()
    features = build(columns, None, within(columns))
    reference = Reference.fit(features)
    place = list(reference.norms.evidence)
    assert not {"surge_1d", "surge_7d", "amount_at_merchant"} & set(place)
    bare = build(columns)
    np.testing.assert_array_equal(score(features, reference).raw, score(bare, Reference.fit(bare)).raw)


def test_where_surges_are_ordinary_they_count_for_nothing() -> None:
    columns = together([picked(crowded(60), np.arange(120)) for _ in range(12)])
    columns = replace(columns, user=np.arange(len(columns)), merchant=1 + np.arange(len(columns)) // 120)
    features = build(columns, None, within(columns))
    assert np.nanmax(features.column("surge_1d")) > 2
    assert "surge_1d" not in Reference.fit(features).norms.evidence


def test_nothing_seen_is_unknown() -> None:
    empty = np.zeros(0, np.int64)
    zero = np.zeros(1, np.int64)
    seen = Visits(empty, zero, zero, zero, zero, np.array([True]), visits.Counted(zero, zero))
    one = picked(population(), np.array([0]))
    alone = Seen(np.zeros((0, 2), np.int64), known=True)
    for features in (build(one, None, seen), build_last(one.stacked(), alone)):
        row = features.row(0)
        assert row["merchant_seen"] == 0
        assert "surge_1d" not in row
        assert "merchant_deviations" not in row
        assert "merchant_silence" not in row


def test_a_shop_that_everybody_has_left_is_strange_however_often_its_customer_pays() -> None:
    columns = crowd()
    reference = Reference.fit(build(columns, None, within(columns)))
    last = int(columns.at_us.argmax())
    columns.merchant[last] = 9
    columns.merchant[int(columns.at_us.argmin())] = 9
    columns.currency[columns.merchant == 9] = 0
    features = build(columns, None, within(columns))
    assert features.row(last)["merchant_silence"] == pytest.approx(sqrt(40), rel=0.01)
    assert features.row(last)["silence_over_usual"] < 5
    assert reference.contributions(features)[last, GROUPS.index("silence")] > 1
