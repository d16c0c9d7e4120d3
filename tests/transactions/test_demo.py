"""The demo data: the same from the same numbers, lawful, and planted so that only the label file tells."""

import csv
import io
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from anomalies.models import PendingScore
from tests.transactions.loads import counts, load
from transactions import demo
from transactions.demo.made import Made, make
from transactions.demo.period import period
from transactions.demo.vocabulary import CHANNELS, HOMES, KINDS, STATUSES
from transactions.models import Load, Transaction
from transactions.rows import FIELDS, Row, check

END = datetime(2026, 3, 1, tzinfo=UTC)
SMALL = ("--demo", "--users=40", "--days=60", "--end=2026-03-01")


@pytest.fixture(scope="module")
def made() -> Made:
    """The default size."""
    return make(users=demo.USERS, days=demo.DAYS, seed=1, end=END)


@pytest.fixture(scope="module")
def small() -> Made:
    return make(users=40, days=60, seed=1, end=END)


def all_rows(made: Made) -> list[Row]:
    return made.rows(0, len(made))


def raw(row: Row) -> dict[str, str]:
    """The row as a CSV file would have it."""
    told = {name: str(getattr(row, name)) for name in FIELDS}
    return {**told, "txn_date": row.txn_date.isoformat()}


def labels_at(path: Path) -> dict[str, str]:
    with path.open(newline="") as file:
        return {row["transaction_id"]: row["kind"] for row in csv.DictReader(file)}


# --- the same numbers, the same rows ---


def test_same_numbers_give_same_rows_and_labels(small: Made) -> None:
    again = make(users=40, days=60, seed=1, end=END)
    assert all_rows(again) == all_rows(small)
    assert list(again.labels()) == list(small.labels())


@pytest.mark.parametrize("other", [{"seed": 2}, {"users": 41}, {"days": 61}, {"end": END - timedelta(hours=1)}])
def test_other_numbers_give_other_people(small: Made, other: dict[str, Any]) -> None:
    different = make(**{"users": 40, "days": 60, "seed": 1, "end": END, **other})
    mine, theirs = ({row.user_id for row in all_rows(one)} for one in (small, different))
    assert not mine & theirs


def test_rows_are_the_same_however_they_are_cut(small: Made) -> None:
    assert small.rows(0, 700) + small.rows(700, len(small)) == all_rows(small)


# --- the law, size and order ---


def test_every_row_obeys_the_law(small: Made) -> None:
    for row in all_rows(small):
        assert check(raw(row), now=END) == row


def test_a_sample_of_many_rows_obeys_the_law(made: Made) -> None:
    for start in range(0, len(made), 10_000):
        for row in made.rows(start, start + 100):
            assert check(raw(row), now=END) == row


def test_default_size_is_about_150_000_rows(made: Made) -> None:
    assert 135_000 < len(made) < 165_000


def test_rows_are_in_the_order_of_time_and_of_ids(made: Made) -> None:
    assert (np.diff(made.at_ms) >= 0).all()
    ids = made.ids.tolist()
    assert all(one < following for one, following in pairwise(ids))


def test_ids_are_uuids_of_version_7_and_4(small: Made) -> None:
    rows = all_rows(small)
    assert {row.id.version for row in rows} == {7}
    assert {row.user_id.version for row in rows} == {4}
    assert all(row.id.int >> 80 == int(row.txn_date.timestamp() * 1000 + 0.5) for row in rows)


def test_all_instants_lie_in_the_period(made: Made) -> None:
    first, last = made.rows(0, 1)[0], made.rows(len(made) - 1, len(made))[0]
    assert END - timedelta(days=demo.DAYS) <= first.txn_date < END - timedelta(days=demo.DAYS - 1)
    assert END - timedelta(days=1) < last.txn_date < END


def test_local_hours_follow_the_clock_of_the_home_through_summer_time() -> None:
    span = period(datetime(2026, 4, 2, tzinfo=UTC), 10)
    berlin = [home.zone for home in HOMES].index("Europe/Berlin")
    noon = span.instants(np.array([berlin, berlin]), np.array([0, 9]), np.array([12 * 3600, 12 * 3600]))
    assert [datetime.fromtimestamp(at, UTC).hour for at in noon.tolist()] == [11, 10]


# --- ordinary lives ---


def test_ordinary_users_differ_in_number_hours_and_amounts(made: Made) -> None:
    paid = made.payments
    often = np.bincount(paid.user, minlength=demo.USERS)
    assert np.quantile(often, 0.9) > 3 * np.quantile(often, 0.1)
    hour = (paid.at // 3600 % 24).astype(int)
    users = np.argsort(-often)[:200]
    favourite = {int(np.bincount(hour[paid.user == user], minlength=24).argmax()) for user in users}
    assert len(favourite) > 8
    medians = [np.median(paid.minor[paid.user == user]) for user in users]
    assert np.quantile(medians, 0.9) > 1.8 * np.quantile(medians, 0.1)


def test_some_use_a_second_currency_and_most_do_not(made: Made) -> None:
    used = np.unique(np.stack([made.payments.user, made.payments.currency]), axis=1)[0]
    share_of_one = (np.unique(used, return_counts=True)[1] == 1).mean()
    assert 0.7 < share_of_one < 0.95


def test_statuses_have_believable_shares(made: Made) -> None:
    shares = np.bincount(made.payments.status, minlength=4) / len(made)
    told = dict(zip(STATUSES, shares, strict=True))
    assert told["completed"] > 0.93
    assert 0.01 < told["failed"] < 0.05
    assert 0.002 < told["pending"] < 0.02
    assert 0.005 < told["refunded"] < 0.03


def test_bills_cost_the_same_every_month(made: Made) -> None:
    bills = made.payments.take(made.payments.channel == CHANNELS.index("recurring"))
    contracts = Counter(zip(bills.user.tolist(), bills.merchant.tolist(), bills.minor.tolist(), strict=True))
    assert np.mean([months >= 3 for months in contracts.values()]) > 0.8


def test_popular_merchants_have_many_times_the_customers_of_others(made: Made) -> None:
    visits = np.sort(np.bincount(made.payments.merchant))[::-1]
    assert visits[:10].sum() > 20 * visits[len(visits) // 2 : len(visits) // 2 + 10].sum()


# --- what is planted ---


def test_there_are_tens_of_each_kind_and_under_one_percent_in_all(made: Made) -> None:
    found = Counter(kind for _, kind in made.labels())
    assert set(found) == set(KINDS)
    assert min(found.values()) >= 25
    assert 0.005 < sum(found.values()) / len(made) < 0.01


def test_planted_rows_lie_in_the_last_two_thirds_and_enough_in_the_last_days(made: Made) -> None:
    at = made.at_ms[made.payments.kind > 0] / 1000
    assert at.min() > (END - timedelta(days=demo.DAYS * 2 / 3)).timestamp()
    newest = made.payments.kind[made.at_ms / 1000 > (END - timedelta(days=14)).timestamp()]
    assert (np.bincount(newest, minlength=len(KINDS) + 1)[1:] >= 3).all()


def test_small_sets_have_every_kind_too(small: Made) -> None:
    assert {kind for _, kind in small.labels()} == set(KINDS)


def test_dormant_accounts_were_silent_for_months(made: Made) -> None:
    paid, woken = made.payments, KINDS.index("dormant_wakes") + 1
    waits_days = []
    for user in np.unique(paid.user[paid.kind == woken]):
        mine = paid.user == user
        awake = paid.at[mine & (paid.kind == woken)].min()
        waits_days.append((awake - paid.at[mine & (paid.kind != woken)].max()) / 86_400)
    assert min(waits_days) >= 58


def test_duplicates_repeat_a_payment_of_the_last_minutes(made: Made) -> None:
    paid = made.payments
    same = np.stack([paid.user, paid.merchant, paid.minor, paid.currency, paid.device])
    for place in np.flatnonzero(paid.kind == KINDS.index("duplicate_charge") + 1):
        recent = slice(np.searchsorted(paid.at, paid.at[place] - 900), place)
        assert (same[:, recent] == same[:, place : place + 1]).all(axis=0).any()


def test_structured_transfers_stay_just_under_a_round_limit(made: Made) -> None:
    minor = made.payments.minor[made.payments.kind == KINDS.index("structuring") + 1]
    limit = np.where(minor > 500_000, 1_000_000, 100_000)
    assert (minor < limit).all()
    assert (minor > 0.9 * limit).all()


def test_bursts_are_many_small_payments_within_minutes(made: Made) -> None:
    paid = made.payments.take(made.payments.kind == KINDS.index("small_burst") + 1)
    assert paid.minor.max() < 1_000
    sizes = [int((paid.user == user).sum()) for user in np.unique(paid.user)]
    spans = [np.ptp(paid.at[paid.user == user]) for user in np.unique(paid.user)]
    assert min(sizes) >= 5
    assert np.median(spans) < 3_600


# --- hidden ---


def test_nothing_in_a_row_says_that_it_is_planted(made: Made) -> None:
    planted = np.flatnonzero(made.payments.kind)[:300]
    texts = {place: made.rows(place, place + 1)[0].meta_data for place in planted.tolist()}
    keys = {tuple(json.loads(text)) for text in texts.values()}
    assert keys == {tuple(json.loads(row.meta_data)) for row in made.rows(0, 5_000)}
    assert keys == {("category", "channel", "country", "device_id", "merchant_id")}
    assert not any(kind in text for kind in KINDS for text in texts.values())


@pytest.mark.parametrize("part", ["counter", "noise", "milliseconds"])
def test_ids_and_fractions_of_seconds_are_alike_in_planted_and_ordinary_rows(made: Made, part: str) -> None:
    high, low = made.ids.view(">u8").reshape(-1, 2).T.astype(np.uint64)
    values = {"counter": high & 0xFFF, "noise": low & 0xFFFF, "milliseconds": made.at_ms % 1000}[part]
    planted = made.payments.kind > 0
    far = abs(values[planted].mean() - values[~planted].mean())
    assert far < 4 * values.std() / np.sqrt(planted.sum())


# --- loading ---


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_loading_stores_the_rows_their_pending_marks_and_the_labels(tmp_path: Path, small: Made) -> None:
    told = load(*SMALL, f"--labels={tmp_path / 'new' / 'labels.csv'}")
    assert counts(told) == (len(small), 0, 0, 0)
    stored = set(Transaction.objects.values_list("id", "user_id", "amount", "txn_date", "status"))
    assert stored == {(row.id, row.user_id, row.amount, row.txn_date, row.status) for row in all_rows(small)}
    assert PendingScore.objects.count() == len({row.user_id for row in all_rows(small)})
    labels = labels_at(tmp_path / "new" / "labels.csv")
    assert labels == {str(id_): kind for id_, kind in small.labels()}


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_loading_twice_adds_nothing(tmp_path: Path, small: Made) -> None:
    labels = f"--labels={tmp_path / 'labels.csv'}"
    load(*SMALL, labels)
    assert load(*SMALL, labels)["earlier"]["rows"] == len(small)
    assert counts(load(*SMALL, labels, "--again")) == (0, len(small), 0, 0)
    assert Transaction.objects.count() == len(small)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_load_that_was_broken_off_goes_on_in_the_next_hour(tmp_path: Path) -> None:
    numbers, labels = ("--demo", "--users=20", "--days=30"), f"--labels={tmp_path / 'labels.csv'}"
    load(*numbers, "--end=2026-03-01", labels)
    Load.objects.update(finished_at=None)
    before = Transaction.objects.count()
    told = load(*numbers, labels)
    assert told["files"][0]["name"].endswith("end 2026-03-01T00:00:00Z)")
    assert (told["earlier"]["rows"], Transaction.objects.count()) == (before, before)
    assert load(*numbers, labels)["accepted"] > 0, "finished, so the next one is of today"


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_without_an_end_the_data_reach_up_to_the_last_hour(tmp_path: Path) -> None:
    load("--demo", "--users=60", "--days=30", f"--labels={tmp_path / 'labels.csv'}")
    newest = Transaction.objects.latest("txn_date").txn_date
    assert timedelta() < timezone.now() - newest < timedelta(hours=24)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_dry_run_writes_nothing(tmp_path: Path, small: Made) -> None:
    told = load(*SMALL, "--dry-run", f"--labels={tmp_path / 'labels.csv'}")
    assert told["rows"] == len(small)
    assert not Transaction.objects.exists()
    assert not (tmp_path / "labels.csv").exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--demo", "some.csv"), "leave the files out"),
        (("--demo", "--set=currency=EUR"), "leave --set out"),
        (("--demo", "--max-rejects=0"), "leave --max-rejects out"),
        (("some.csv", "--users=10"), "--users is for the demo data"),
        (("some.csv", "--labels=x.csv"), "--labels is for the demo data"),
        (("--demo", "--users=3"), "--users of 20 or more"),
        (("--demo", "--users=1000000", "--days=1000"), "at most 20,000,000"),
        (("--demo", "--end=2999-01-01"), "must not lie in the future"),
    ],
)
def test_options_that_do_not_fit_are_told(options: tuple[str, ...], told: str) -> None:
    result = load(*options)
    assert told in result["error"]
    assert (result["exit_code"], result["rows"]) == (2, 0)


@pytest.mark.django_db
def test_labels_that_cannot_be_written_stop_the_load_before_the_first_row(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = load(*SMALL, f"--labels={tmp_path / 'file' / 'labels.csv'}")
    assert "The labels cannot be written" in result["error"]
    assert not Transaction.objects.exists()


def test_labels_are_written_in_place_and_replace_no_link(tmp_path: Path, small: Made) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "labels.csv")
    job = demo.DemoJob(small, "demo data", "00" * 32, tmp_path / "link")
    assert job.write_labels() == len(labels_at(tmp_path / "labels.csv"))
    assert (tmp_path / "link").is_symlink()


def test_a_day_that_is_none_is_wrong_use() -> None:
    with pytest.raises(CommandError, match="a day such as"):
        call_command("load_data", "--demo", "--end=yesterday", stdout=io.StringIO())
