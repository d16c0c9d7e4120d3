"""Reasons: they add up, they lead with the cause, their numbers can be checked by hand."""

import json
from typing import Any

import numpy as np
import pytest

from scoring import Columns, Features, Reference, Scores, build, explain, reasons, score, visits
from scoring.reasons import DETAILS
from scoring.reference import EVIDENCE
from tests.scoring.histories import DAY_US, population, reference_of

AROUND_NOON_US = 12 * DAY_US // 24


def last_reasons(columns: Columns, changes: dict[str, Any]) -> list[dict[str, Any]]:
    """The reasons of the last row of the last user, after changes to it."""
    _, reference = reference_of(columns)
    parts = {name: getattr(columns, name).copy() for name in Columns.__slots__}
    for name, value in changes.items():
        parts[name][-1] = value
    features = build(Columns(**parts))
    return reasons(features, score(features, reference), len(features) - 1)


@pytest.fixture(scope="module")
def scored() -> tuple[Features, Scores]:
    features, reference = reference_of(population(keyed=True))
    return features, score(features, reference)


def test_contributions_add_up_to_raw_the_weightiest_first(scored: tuple[Features, Scores]) -> None:
    features, scores = scored
    for i, (_, found) in enumerate(explain(features, scores, range(len(features)))):
        parts = [one["contribution"] for one in found]
        assert sum(parts) == pytest.approx(scores.raw[i], abs=1e-9)
        assert parts == sorted(parts, reverse=True)
        assert all(part > 0 for part in parts)


def test_reasons_are_plain_data_without_unknown_numbers(scored: tuple[Features, Scores]) -> None:
    features, scores = scored
    for found in explain(features, scores, range(0, len(features), 7)):
        assert json.loads(json.dumps(found.reasons, allow_nan=False)) == found.reasons


def test_several_rows_are_explained_as_each_alone(scored: tuple[Features, Scores]) -> None:
    features, scores = scored
    rows = [5, 4711 % len(features), 99]
    assert [one.reasons for one in explain(features, scores, rows)] == [reasons(features, scores, i) for i in rows]


def test_every_evidence_has_details() -> None:
    assert set(DETAILS) == {name for group in EVIDENCE.values() for name in group}


def test_a_large_amount_is_told_with_the_users_median() -> None:
    columns = population()
    own = np.sort(columns.minor[-51:-1]) / 100
    by_group = {one["group"]: one for one in last_reasons(columns, {"minor": 1_000_000})}
    one = by_group["own_amount"]
    assert one["observed"] == 10_000
    assert one["code"] in ("amount_over_median", "amount_deviations", "amount_over_mean", "amount_spreads")
    if "median" in one["values"]:
        assert one["values"]["median"] == pytest.approx((own[24] + own[25]) / 2)
        assert one["values"]["ratio"] == pytest.approx(10_000 / one["values"]["median"])
    assert by_group["population_amount"]["expected"] < 10_000
    assert by_group["population_amount"]["values"]["one_in"] > 100


def test_a_large_payment_after_another_is_told_as_a_spell() -> None:
    columns = population()
    columns.at_us[-2] = columns.at_us[-1]
    columns.minor[-2] = 1_000_000
    by_group = {one["group"]: one for one in last_reasons(columns, {"minor": 900_000})}
    assert by_group["spell"]["code"] in ("renewed_excess", "excess_14d", "large_burst")
    assert by_group["spell"]["values"]["large"] >= 1
    assert by_group["spell"]["observed"] > 9_000


def test_a_burst_is_told_with_its_count_and_the_usual_one() -> None:
    columns = population()
    columns.at_us[-12:] = columns.at_us[-1] + np.arange(12) * 60_000_000
    first = last_reasons(columns, {})[0]
    assert first["group"] == "velocity"
    assert first["code"] == "burst_1h"
    assert first["observed"] == 11
    assert first["expected"] < 0.2


def test_a_wake_is_told_in_days() -> None:
    columns = population()
    silent_days = 365 + (columns.at_us[-1] - columns.at_us[-2]) / DAY_US
    first = last_reasons(columns, {"at_us": columns.at_us[-1] + 365 * DAY_US})[0]
    assert first["code"] == "silence_over_usual"
    assert first["observed"] == pytest.approx(silent_days)
    assert first["expected"] == pytest.approx(1.2, rel=0.5)


def test_an_odd_hour_is_told_with_the_share_of_payments_then() -> None:
    columns = population()
    by_noon = columns.at_us // DAY_US * DAY_US + AROUND_NOON_US
    noon = Columns(columns.user, by_noon, columns.minor, columns.currency, columns.failed)
    night = by_noon[-1] + DAY_US - AROUND_NOON_US
    # Most others pay at that hour, so that the amount is not what is odd about it.
    noon.at_us[: 50 * 100] += AROUND_NOON_US
    by_group = {one["group"]: one for one in last_reasons(noon, {"at_us": night})}
    assert by_group["hour"]["code"] == "hour_unusual"
    assert by_group["hour"]["values"]["hour"] == 0
    assert by_group["hour"]["values"]["near"] == 0
    assert by_group["hour"]["observed"] < 0.05
    assert by_group["hour"]["contribution"] > 1


def test_a_new_device_is_told_with_how_rarely_this_user_has_one() -> None:
    columns = population()
    columns.device[:] = columns.user + 1
    columns.device[::97] = 7777
    by_group = {one["group"]: one for one in last_reasons(columns, {"device": 5})}
    assert by_group["novelty"]["code"] == "new_device"
    assert by_group["novelty"]["values"]["payments"] == 99
    assert by_group["novelty"]["values"]["once_in"] > 30
    assert by_group["novelty"]["contribution"] > 1


def test_payments_at_odd_hours_are_told_with_how_few_are_usual() -> None:
    columns = population()
    columns.at_us[:] = columns.at_us // DAY_US * DAY_US + DAY_US // 4 + columns.at_us % DAY_US // 2
    columns.at_us[-4:] = columns.at_us[-5] // DAY_US * DAY_US + DAY_US + np.arange(4) * AROUND_NOON_US // 12
    features, reference = reference_of(columns)
    observed, expected, values = DETAILS["odd_hours"](features.row(len(features) - 1), reference.norms, 0)
    assert values == {"odd": 4, "usual": expected, "hours": 24}
    assert (observed, expected < 0.05) == (4, True)
    by_day = DETAILS["odd_hours"](features.row(len(features) - 5), reference.norms, 0)
    assert by_day == (0, 0, {"odd": 0, "usual": 0, "hours": 24})


def test_a_shop_that_nobody_paid_for_long_is_told_in_days() -> None:
    columns = population()
    columns.merchant[:] = 1 + columns.user % 5
    columns.merchant[[1, -1]] = 9
    seen = visits.within(columns)
    features = build(columns, None, seen)
    scores = score(features, Reference.fit(features))
    one = {one["group"]: one for one in reasons(features, scores, len(columns) - 1)}["silence"]
    assert one["code"] == "merchant_silence"
    assert one["observed"] == pytest.approx((columns.at_us[-1] - columns.at_us[1]) / DAY_US)
    assert one["expected"] < 1
    assert one["contribution"] > 1


def test_an_amount_at_the_wrong_hour_is_told_though_neither_is_rare() -> None:
    columns = population(users=300)
    night = columns.at_us // (DAY_US // 24) % 24 < 12
    columns.minor[:] = np.where(night, 1000, 50_000)
    at_noon = columns.at_us[-1] // DAY_US * DAY_US + DAY_US + AROUND_NOON_US + 6 * DAY_US // 24
    one = {one["group"]: one for one in last_reasons(columns, {"at_us": at_noon, "minor": 1000})}["hour"]
    assert one["code"] == "amount_at_hour"
    assert one["observed"] < one["expected"] / 100
    assert one["values"]["hour"] == 18


def test_an_amount_in_the_wrong_category_is_told_though_neither_is_rare() -> None:
    columns = population(users=100)
    columns.category[:] = 1 + np.arange(len(columns)) % 2
    columns.minor[:] = np.where(columns.category == 1, 1000, 50_000)
    one = {one["group"]: one for one in last_reasons(columns, {"category": 1, "minor": 50_000})}["category"]
    assert one["observed"] < one["expected"] / 100
    assert one["contribution"] > 1


def test_a_user_whose_payments_are_mostly_of_nothing_gets_reasons_too() -> None:
    """Their mean is 0, of which nothing is a multiple, but the usual deviation from it is not."""
    columns = population()
    _, reference = reference_of(columns)
    columns.minor[-100:] = np.where(np.arange(100) % 3, 0, 5000)
    columns.minor[-1] = 900_000
    features = build(columns)
    alone = features.take(slice(-1, None))
    last = reasons(features, score(features, reference), len(features) - 1)
    assert last == reasons(alone, score(alone, reference), 0)
    (own,) = [one for one in last if one["group"] == "own_amount"]
    assert (own["code"], own["observed"], own["expected"]) == ("amount_spreads", 9000.0, 0.0)
    assert own["values"].keys() == {"amount", "mean", "spread", "payments", "times", "days"}
