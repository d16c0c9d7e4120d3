"""Payments that are unlike who paid, and what it tells where several come to one merchant."""

from dataclasses import replace
from math import log10

import numpy as np
import pytest
from scipy.stats import poisson

from scoring import GROUPS, Columns, Reference, build, build_last, departures, score
from scoring.visits import STRETCH_ROWS, within
from scoring.windows import BLOCK_ROWS, HOUR_US
from tests.scoring.histories import DAY_US, START_US, history, picked, seen_by, together

GROUP = GROUPS.index("departures")


def shoppers(days: int = 60, users: int = 40, seed: int = 5) -> Columns:
    """Users who pay by day about the same, at eight shops, each of which is somebody's on every other day."""
    rng = np.random.default_rng(seed)
    parts = []
    for user in range(users):
        columns = history(rng, rows=days, user=user, days=days, failing=0)
        by_day = columns.at_us // DAY_US * DAY_US + rng.integers(9, 18, days) * HOUR_US
        parts.append(replace(columns, at_us=np.sort(by_day), minor=rng.integers(900, 1100, days)))
    everybody = together(parts)
    return replace(everybody, merchant=rng.integers(1, 9, len(everybody)))


def attacked(columns: Columns, *, merchant: int = 3, hour: int = 3) -> Columns:
    """The last week's payments at one shop come at night."""
    late = columns.at_us >= columns.at_us.max() - 7 * DAY_US
    night = columns.at_us // DAY_US * DAY_US + hour * HOUR_US
    at_us = np.where(late & (columns.merchant == merchant), night, columns.at_us)
    order = np.lexsort((at_us, columns.user))
    moved = {name: getattr(columns, name)[order] for name in Columns.__slots__}
    return Columns(**{**moved, "at_us": at_us[order]})


def test_a_payment_departs_by_its_hour_or_its_amount_and_the_unknown_is_none() -> None:
    # Of 100 payments an even day has 4.2 around an hour; 1 is less than half of that, with 10 for a prior.
    assert departures.departs(1.0, 100.0, 1.0)
    assert not departures.departs(3.0, 100.0, 1.0)
    assert departures.departs(3.0, 100.0, 10.5)
    assert not departures.departs(3.0, 100.0, 10.0)
    assert not departures.departs(np.nan, 5.0, np.nan)
    assert departures.departs(np.nan, 5.0, 12.0)


@pytest.mark.parametrize("currencies", [1, 2])
def test_departures_are_told_of_the_features_that_they_rest_on(currencies: int) -> None:
    rng = np.random.default_rng(7)
    rows = BLOCK_ROWS // 8
    columns = together([history(rng, rows=rows, user=user, currencies=currencies, days=400) for user in range(10)])
    features = build(columns)
    told = departures.departs(*(features.column(name) for name in departures.FEATURES))
    np.testing.assert_array_equal(departures.departing(columns), told)
    assert 0.01 < told.mean() < 0.5
    wanted = rng.random(len(columns)) < 0.1
    np.testing.assert_array_equal(departures.departing(columns, wanted), told[wanted])


def test_a_merchants_departures_are_what_their_definition_says() -> None:
    columns = attacked(shoppers())
    features, departs = build(columns, None, within(columns)), departures.departing(columns)
    checked = 0
    for i in np.flatnonzero(departs):
        row, at_us = features.row(i), columns.at_us[i]
        before = np.flatnonzero((columns.merchant == columns.merchant[i]) & (columns.at_us < at_us))
        seen = before[np.argsort(columns.at_us[before], kind="stable")][-STRETCH_ROWS:]
        start_us, span_us = at_us - 14 * DAY_US, at_us - 14 * DAY_US - min(columns.at_us[seen], default=0)
        if (columns.at_us[seen] < start_us).sum() < 8 or span_us < 14 * DAY_US:
            assert "departures_14d" not in row
            continue
        others = before[departs[before] & (columns.user[before] != columns.user[i])]
        others = others[columns.at_us[others] > columns.at_us[seen].min()]
        recent = int((columns.at_us[others] >= start_us).sum())
        usual = (len(others) - recent + 0.5) * 14 * DAY_US / span_us
        assert row["merchant_departures_14d"] == recent
        assert row["merchant_usual_departures_14d"] == pytest.approx(usual)
        chance = -log10(poisson.sf(recent - 1, usual)) if recent > usual else 0
        assert row["departures_14d"] == pytest.approx(chance, abs=1e-9)
        checked += recent > usual
    assert checked > 10


def test_one_row_alone_has_the_numbers_of_the_whole_table() -> None:
    columns = attacked(shoppers())
    seen = within(columns)
    among_all = build(columns, None, seen)
    for i in range(0, len(columns), 7):
        first = int(np.searchsorted(columns.user, columns.user[i]))
        alone = build_last(columns.part(first, i + 1).stacked(), seen_by(columns, i, seen))
        np.testing.assert_array_equal(alone.values[0], among_all.values[i])


def test_customers_who_are_unlike_themselves_at_one_merchant_are_strange_together() -> None:
    calm = shoppers()
    reference = Reference.fit(build(calm, None, within(calm)))
    columns = attacked(calm)
    features = build(columns, None, within(columns))
    parts = score(features, reference).contributions[:, GROUP]
    late = columns.at_us >= columns.at_us.max() - 3 * DAY_US
    attack = late & (columns.merchant == 3) & departures.departing(columns)
    assert attack.sum() > 5
    assert parts[attack].min() > 1
    # The others pay as ever.
    assert np.median(parts[late & ~attack]) == 0


def test_a_payment_that_is_like_its_user_gets_nothing_of_it() -> None:
    columns = attacked(shoppers())
    features, departs = build(columns, None, within(columns)), departures.departing(columns)
    values = features.column("departures_14d")[~departs]
    assert set(values[~np.isnan(values)]) == {0.0}
    assert np.isnan(features.column("merchant_departures_14d")[~departs]).all()


def test_departures_before_everything_that_is_seen_do_not_count() -> None:
    # Four payments a day, of which STRETCH_ROWS are seen: those of 64 days.
    rows = 400
    columns = Columns(
        user=np.arange(rows) % 4,
        at_us=START_US + np.arange(rows) * DAY_US // 4,
        minor=np.full(rows, 1000),
        currency=np.zeros(rows, np.int32),
        failed=np.zeros(rows, np.bool_),
        merchant=np.ones(rows, np.int64),
    )
    columns = picked(columns, np.lexsort((columns.at_us, columns.user)))
    columns.minor[columns.at_us < START_US + 30 * DAY_US] = 500
    columns.minor[(columns.user == 1) & (columns.at_us // DAY_US == START_US // DAY_US + 20)] = 9000
    departs, seen = departures.departing(columns), within(columns)
    assert departs.sum() == 1
    place = int(np.flatnonzero(departs)[0])
    days, others = (columns.at_us - columns.at_us[place]) / DAY_US, columns.user != columns.user[place]
    recent, before = seen.departures(np.arange(rows), columns.at_us)
    np.testing.assert_array_equal(recent, others & (days > 0) & (days <= 14))
    np.testing.assert_array_equal(before, others & (days > 14) & (days < STRETCH_ROWS / 4))


def test_where_everybody_changes_at_once_it_counts_for_nothing() -> None:
    columns = shoppers()
    for merchant in range(1, 9):
        columns = attacked(columns, merchant=merchant)
    features = build(columns, None, within(columns))
    assert np.nanmax(features.column("departures_14d")) > 2
    assert "departures_14d" not in Reference.fit(features).norms.evidence
