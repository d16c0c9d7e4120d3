"""Every feature against a plain account of what it is, one row at a time."""

import statistics
from math import exp, expm1, fsum, isnan, lgamma, log, log10

import numpy as np
import pytest

from scoring import HISTORY_ROWS, KEYS, Columns, Features, build, join
from scoring.features import NAMES
from scoring.windows import BLOCK_ROWS, PAST_ROWS, PROFILE_ROWS
from tests.scoring.histories import DAY_US, START_US, history, picked, together


class Plain:
    """One user's history as lists, and the features of one of its rows straight from their definitions."""

    def __init__(self, columns: Columns) -> None:
        self.at = columns.at_us.tolist()
        self.amount = (columns.minor / 100).tolist()
        self.currency = columns.currency.tolist()
        self.failed = columns.failed.tolist()
        self.keys = {name: getattr(columns, name).tolist() for name in KEYS}

    def earlier(self, i: int, days: float, rows: int = PROFILE_ROWS) -> list[int]:
        return [k for k in range(max(i - rows, 0), i) if self.at[k] >= self.at[i] - days * DAY_US]

    def same(self, i: int, rows: list[int]) -> list[int]:
        return [k for k in rows if self.currency[k] == self.currency[i]]

    def last(self, i: int) -> list[float]:
        return [self.amount[k] for k in self.same(i, list(range(max(i - PAST_ROWS, 0), i)))][-50:]

    def median(self, i: int) -> float:
        return statistics.median(self.last(i)) if self.last(i) else 0.0

    def winsorised(self, i: int) -> float:
        return min(self.amount[i], 3 * self.median(i)) if len(self.last(i)) >= 3 else self.amount[i]

    def large(self, i: int) -> float:
        return max(self.amount[i] - 3 * self.median(i), 0) if len(self.last(i)) >= 8 else 0.0

    def amounts(self, i: int) -> dict[str, float]:
        last, profile, amount = self.last(i), self.same(i, self.earlier(i, 90)), self.amount[i]
        found: dict[str, float] = {"past_payments": len(last), "payments_90d": len(profile)}
        if len(last) >= 8:
            median = self.median(i)
            deviation = statistics.median(abs(value - median) for value in last)
            found |= {"median": median, "deviation": deviation, "amount_over_median": amount / median}
            found["amount_deviations"] = (amount - median) / max(1.4826 * deviation, 0.1 * median)
        if len(profile) >= 8:
            mean = statistics.fmean(self.winsorised(k) for k in profile)
            spread = statistics.fmean(abs(self.amount[k] - self.median(k)) for k in profile)
            found |= {"mean_90d": mean, "spread_90d": spread, "amount_over_mean": amount / mean}
            found["amount_spreads"] = (amount - mean) / max(1.2533 * spread, 0.1 * mean)
        return found

    def spell(self, i: int) -> dict[str, float]:
        recent = [self.large(k) for k in self.same(i, self.earlier(i, 14))]
        week = [self.amount[k] for k in self.same(i, self.earlier(i, 7))]
        profile = self.same(i, self.earlier(i, 90))
        found = {
            "large_14d": float(sum(value > 0 for value in recent)),
            "large_excess_14d": sum(recent),
            "spend_7d": sum(week) + self.amount[i],
        }
        if len(self.last(i)) >= 8:
            own = max(self.amount[i] - self.median(i), 0)
            found["renewed_excess"] = (own + min(own, sum(recent))) / self.median(i)
            found["excess_14d"] = sum(recent) / self.median(i)
        week_large = sum(self.large(k) > 0 for k in self.same(i, self.earlier(i, 7)))
        found["large_7d"] = week_large + (self.large(i) > 0)
        span_days = (self.at[i] - self.at[profile[0]]) / DAY_US if profile else 0
        if len(profile) >= 8 and span_days >= 14:
            before = sum(self.large(k) > 0 for k in profile) - week_large
            found["expected_large_7d"] = (before + 0.5) * 7 / span_days
            found["large_burst"] = unlikeliness(found["large_7d"], found["expected_large_7d"])
            found["usual_7d"] = sum(self.winsorised(k) for k in profile) * 7 / span_days
            found["spend_over_usual"] = found["spend_7d"] / found["usual_7d"]
        return found

    def velocity(self, i: int) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, days in (("1h", 1 / 24), ("1d", 1), ("7d", 7)):
            recent, base = (self.earlier(i, span, HISTORY_ROWS) for span in (days, days + 30))
            found[f"count_{name}"] = len(recent)
            span_days = (self.at[i] - self.at[base[0]]) / DAY_US - days if base else 0
            if len(base) - len(recent) >= 8 and span_days >= days:
                found[f"expected_{name}"] = (len(base) - len(recent)) / span_days * days
                found[f"burst_{name}"] = unlikeliness(len(recent), found[f"expected_{name}"])
        day, profile = self.earlier(i, 1), list(range(max(i - PROFILE_ROWS, 0), i))
        found["failed_1d"] = sum(self.failed[k] for k in day) + self.failed[i]
        if len(profile) >= 8:
            before = [k for k in profile if k not in day]
            share = (sum(self.failed[k] for k in before) + 1) / (len(before) + 20)
            found["expected_failed_1d"] = (len(day) + 1) * share
            found["failures_1d"] = unlikeliness(int(found["failed_1d"]), found["expected_failed_1d"])
        return found

    def silence(self, i: int) -> dict[str, float]:
        if i == 0:
            return {}
        found = {"silent_days": (self.at[i] - self.at[i - 1]) / DAY_US}
        before = self.earlier(i - 1, 90)
        if len(before) >= 8:
            found["usual_silent_days"] = (self.at[i - 1] - self.at[before[0]]) / DAY_US / len(before)
            if found["usual_silent_days"] > 0:
                found["silence_over_usual"] = found["silent_days"] / found["usual_silent_days"]
        return found

    def repeat(self, i: int) -> dict[str, float]:
        before, merchant, usual = range(max(i - 256, 0), i), self.keys["merchant"], self.silence(i)
        found: dict[str, float] = {"charges": len(before), "same_charges": 0}
        if not merchant[i] or not usual.get("usual_silent_days"):
            return found
        found["charged_again"] = 0.0
        same = [
            k for k in self.same(i, list(before)) if merchant[k] == merchant[i] and self.amount[k] == self.amount[i]
        ]
        same = [k for k in same if not self.failed[k] and not self.failed[i]]
        if same and self.at[i] - self.at[same[-1]] <= DAY_US / 24:
            days = (self.at[i] - self.at[same[-1]]) / DAY_US
            found |= {"repeat_minutes": days * 1440, "same_charges": len(same)}
            soon = max(-expm1(-days / usual["usual_silent_days"]), 1e-8)
            found["charged_again"] = max(-log10(soon * len(same) / (len(before) + 1)), 0)
        return found

    def hours(self, i: int) -> dict[str, float]:
        profile = range(max(i - PROFILE_ROWS, 0), i)
        own = hour_of(self.at[i])
        found: dict[str, float] = {"hour": own, "hour_payments": len(profile)}
        if len(profile) >= 8:
            nearness = (
                max(3 - min((hour_of(self.at[k]) - own) % 24, (own - hour_of(self.at[k])) % 24), 0) for k in profile
            )
            found["hour_weight"] = sum(nearness) / 9
        return found

    def is_odd(self, i: int) -> bool:
        past, own = range(max(i - PAST_ROWS, 0), i), hour_of(self.at[i])
        apart = (min((hour_of(self.at[k]) - own) % 24, (own - hour_of(self.at[k])) % 24) for k in past)
        around = sum(max(3 - hours, 0) for hours in apart) / 9
        return (around + 10 / 24) / (len(past) + 10) < 1 / 48

    def odd_hours(self, i: int) -> dict[str, float]:
        day, profile = self.earlier(i, 1), self.earlier(i, 90)
        found: dict[str, float] = {"odd_1d": sum(map(self.is_odd, (*day, i)))}
        span_days = (self.at[i] - self.at[profile[0]]) / DAY_US if profile else 0
        if len(profile) >= 8 and span_days >= 14:
            before = sum(self.is_odd(k) for k in profile if k not in day)
            expected = (before + 0.5) / span_days
            found["odd_hours"] = 0.0
            if found["odd_1d"]:
                lift = 1 + log10(found["odd_1d"] / expected)
                found |= {"expected_odd_1d": expected}
                found["odd_hours"] = min(unlikeliness(int(found["odd_1d"]), expected), max(lift, 0))
        return found

    def settled(self, kind: str, i: int) -> range:
        """The rows that make a key known."""
        stays = kind in ("country", "device", "currency")
        return range(max(i - 256, 0), i - len(self.earlier(i, 1, 256)) * stays)

    def novelty(self, i: int) -> dict[str, float]:
        found: dict[str, float] = {}
        for kind, key in (*self.keys.items(), ("currency", [code + 1 for code in self.currency])):
            settled = {k: [key[past] for past in self.settled(kind, k)] for k in range(max(i - 256, 0), i + 1)}
            judged = [k for k, past in settled.items() if key[k] and sum(one != 0 for one in past) >= 8]
            new = [k for k in judged if key[k] not in settled[k]]
            found[f"{kind}_payments"] = sum(one != 0 for one in settled[i])
            if i in judged:
                found[f"new_{kind}"] = -log10(len(new) / (len(judged) + 1)) if i in new else 0
        return found

    def joint(self, i: int) -> dict[str, float]:
        month = self.earlier(i, 28, 256)
        alike = [k for k in self.same(i, month) if self.amount_bin(k) == self.amount_bin(i)]
        category = self.keys["category"]
        found: dict[str, float] = {
            "amount_bin": self.amount_bin(i),
            "first_at_hour": 1 - any(hour_of(self.at[k]) == hour_of(self.at[i]) for k in alike),
        }
        if category[i]:
            found["category"] = category[i] % 2**48
            found["first_in_category"] = 1 - any(category[k] == category[i] for k in alike)
        return found

    def amount_bin(self, i: int) -> int:
        return sum(round(self.amount[i] * 100) >= 10 ** (step / 5) for step in range(80))

    def row(self, i: int) -> dict[str, float]:
        parts = (
            *(self.amounts(i), self.spell(i), self.velocity(i), self.silence(i), self.hours(i)),
            *(self.novelty(i), self.joint(i), self.repeat(i), self.odd_hours(i)),
        )
        return {"amount": self.amount[i]} | {name: value for part in parts for name, value in part.items()}


def hour_of(at_us: int) -> int:
    return at_us // (DAY_US // 24) % 24


def unlikeliness(count: int, mean: float) -> float:
    """-log10 of the Poisson chance of `count` or more."""
    if count == 0:
        return 0.0
    tail = (exp(k * log(mean) - mean - lgamma(k + 1)) for k in range(count, count + 300))
    return -log10(fsum(tail))


@pytest.mark.parametrize("keyed", [False, True], ids=["no keys", "keys"])
@pytest.mark.parametrize(("currencies", "days", "step_us"), [(1, 150, 1), (3, 60, 1), (2, 20, DAY_US // 2)])
def test_features_are_what_their_definitions_say(currencies: int, days: int, step_us: int, keyed: bool) -> None:
    rng = np.random.default_rng(days)
    columns = history(rng, rows=600, currencies=currencies, days=days, step_us=step_us, keyed=keyed)
    # A few prices, so that some are charged again within the hour.
    columns.minor[::2] = columns.minor[::2] // 5000 * 5000 + 500
    features, plain = build(columns), Plain(columns)
    for i in (0, 1, 7, 8, 9, 30, 77, 200, 320, 321, 449, 599):
        assert features.row(i) == pytest.approx(plain.row(i), rel=1e-9, abs=1e-10)


def test_unknown_is_not_a_number_and_no_feature_is_infinite() -> None:
    free = history(np.random.default_rng(1), rows=60)
    free.minor[:] = 0
    features = build(free)
    assert not np.isinf(features.values).any()
    assert np.isnan(features.column("amount_over_median")).all()
    assert isnan(features.column("silence_over_usual")[0])


def cut(columns: Columns, i: int) -> Features:
    """Features of row i from its user's last HISTORY_ROWS rows alone."""
    start = max(i - HISTORY_ROWS, 0)
    own = np.arange(start, i + 1)[columns.user[start : i + 1] == columns.user[i]]
    return build(picked(columns, own), np.arange(len(own)) == len(own) - 1)


@pytest.mark.parametrize(
    ("currencies", "days", "step_us"),
    [(1, 3000, 1), (1, 200, 1), (4, 200, 1), (3, 10, 60_000_000), (2, 300, DAY_US)],
    ids=["sparse", "dense", "currencies", "same minute", "same day"],
)
def test_a_heavy_user_cut_to_the_history_has_the_same_features_to_the_last_bit(
    currencies: int, days: int, step_us: int
) -> None:
    rng = np.random.default_rng(currencies)
    heavy = history(rng, rows=5000, user=3, currencies=currencies, days=days, step_us=step_us, keyed=True)
    columns = together([history(rng, rows=700, user=9, keyed=True), heavy, history(rng, rows=5, user=1)])
    whole = build(columns)
    for i in [*range(0, len(columns), 61), *range(700 + HISTORY_ROWS - 2, 700 + HISTORY_ROWS + 2), len(columns) - 1]:
        np.testing.assert_array_equal(cut(columns, i).values[0], whole.values[i])


def test_a_rare_currency_among_many_rows_is_cut_alike() -> None:
    columns = history(np.random.default_rng(8), rows=3000, days=90)
    columns.currency[::97] = 7
    whole = build(columns)
    for i in range(97 * 20, 3000, 97):
        np.testing.assert_array_equal(cut(columns, i).values[0], whole.values[i])


def test_the_largest_amounts_do_not_overflow() -> None:
    columns = history(np.random.default_rng(2), rows=1200, days=20)
    columns.minor[:] = 9_000_000_000_000_000
    features = build(columns)
    assert features.column("amount_over_mean")[-1] == 1
    assert features.column("spend_7d")[-1] == pytest.approx(9e13 * (features.column("count_7d")[-1].clip(max=320) + 1))
    np.testing.assert_array_equal(cut(columns, 1199).values[0], features.values[-1])


def test_more_rows_than_a_block_change_nothing() -> None:
    rng = np.random.default_rng(4)
    lengths = (BLOCK_ROWS - 300, 900, 2000)
    columns = together([history(rng, rows=rows, user=user, keyed=True) for user, rows in enumerate(lengths)])
    features = build(columns)
    for i in range(BLOCK_ROWS - 200, BLOCK_ROWS + 900, 50):
        np.testing.assert_array_equal(cut(columns, i).values[0], features.values[i])


def test_wanted_rows_are_those_of_all_rows() -> None:
    rng = np.random.default_rng(5)
    columns = together([history(rng, rows=300, user=user, currencies=2, keyed=True) for user in range(8)])
    wanted = rng.random(len(columns)) < 0.05
    part = build(columns, wanted)
    np.testing.assert_array_equal(part.values, build(columns).take(wanted).values)
    assert part.currency.tolist() == columns.currency[wanted].tolist()


def test_parts_joined_are_the_whole() -> None:
    features = build(history(np.random.default_rng(6), rows=200))
    whole = join([features.take(slice(0, 50)), features.take(slice(50, None))])
    np.testing.assert_array_equal(whole.values, features.values)
    assert whole.currency.tolist() == features.currency.tolist()


def test_no_rows_have_no_features() -> None:
    empty = picked(history(np.random.default_rng(0), rows=3), np.zeros(3, np.bool_))
    assert build(empty).values.shape == (0, len(NAMES))
    assert build(history(np.random.default_rng(0), rows=3), np.zeros(3, np.bool_)).values.shape == (0, len(NAMES))


def test_rows_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="order of time"):
        Columns(np.ones(2, np.int64), np.array([2, 1]), np.ones(2, np.int64), np.zeros(2, np.int32), np.zeros(2, bool))


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="length"):
        Columns(np.ones(2, np.int64), np.array([1]), np.ones(2, np.int64), np.zeros(2, np.int32), np.zeros(2, bool))


def test_a_past_fraud_does_not_teach_the_profile() -> None:
    at_us = START_US + np.arange(41) * DAY_US
    minor = np.full(41, 1000)
    minor[20] = 100_000_000
    columns = Columns(np.ones(41, np.int64), at_us, minor, np.zeros(41, np.int32), np.zeros(41, np.bool_))
    features = build(columns)
    assert features.column("amount_over_mean")[20] == 100_000
    assert features.column("mean_90d")[40] == pytest.approx(10.5)
    assert features.column("median")[40] == 10


def test_keys_left_out_are_unknown_throughout() -> None:
    features = build(history(np.random.default_rng(9), rows=100))
    for name in ("new_merchant", "new_category", "new_country", "new_device", "category"):
        assert np.isnan(features.column(name)).all()


def test_a_key_never_seen_is_worth_the_more_the_rarer_the_user_turns_to_one() -> None:
    settled, curious = (history(np.random.default_rng(3), rows=101) for _ in range(2))
    settled.merchant[:], curious.merchant[:] = 5, 5
    curious.merchant[20:100:4] = np.arange(20) + 6
    settled.merchant[100] = curious.merchant[100] = 1000
    rarely, often = (build(columns).column("new_merchant")[100] for columns in (settled, curious))
    assert rarely == pytest.approx(np.log10(94))
    assert often == pytest.approx(np.log10(94 / 21))


def test_a_key_comes_back_as_new_after_so_many_rows_without_it() -> None:
    columns = history(np.random.default_rng(3), rows=400)
    columns.device[:] = 1
    columns.device[[10, 266, 399]] = 2
    new = build(columns).column("new_device")
    assert new[266] == 0
    columns.device[266] = 1
    assert build(columns).column("new_device")[399] > 2


def test_a_device_stays_new_for_a_day() -> None:
    columns = history(np.random.default_rng(3), rows=103)
    columns.device[:] = 1
    columns.at_us[100:] = columns.at_us[99] + np.array([1, DAY_US, DAY_US + 2])
    columns.device[100:] = 2
    columns.merchant[:] = columns.device
    new, shop = (build(columns).column(f"new_{kind}") for kind in ("device", "merchant"))
    assert new[100] > 1.5
    # Its own first payment has made paying from an unknown device commoner.
    assert 1.5 < new[101] < new[100]
    assert new[102] == 0
    assert shop[100] > 1.5
    assert shop[101:].tolist() == [0, 0]


def hours_of_a_day_person(nights: int) -> Columns:
    """A payment at noon on each of 60 days, then some after midnight, an hour apart."""
    noon, night = np.arange(60) * DAY_US + DAY_US // 2, 60 * DAY_US + np.arange(nights) * DAY_US // 24
    columns = history(np.random.default_rng(4), rows=60 + nights)
    columns.at_us[:] = START_US // DAY_US * DAY_US + np.concatenate((noon, night))
    return columns


def test_odd_hours_count_for_the_more_the_more_there_are_within_a_day() -> None:
    features = build(hours_of_a_day_person(5))
    chance, many = features.column("odd_hours"), features.column("odd_1d")
    assert many[58:].tolist() == [0, 0, 1, 2, 3, 4, 5]
    assert chance[59] == 0
    assert (np.diff(chance[59:]) > 0.05).all()
    assert chance[64] == pytest.approx(1 + log10(5 / features.column("expected_odd_1d")[64]))
    assert features.column("expected_odd_1d")[64] == pytest.approx(0.5 / (59 + 2 / 3))


def test_whose_hours_are_odd_for_others_has_none() -> None:
    night = hours_of_a_day_person(1)
    night.at_us[:] -= DAY_US // 2
    assert build(night).column("odd_1d")[20:60].tolist() == [0] * 40
    short = picked(hours_of_a_day_person(1), np.arange(50, 61))
    assert np.isnan(build(short).column("odd_hours")[-1])


def test_no_two_features_share_a_name() -> None:
    assert len(set(NAMES)) == len(NAMES)
