"""The references that are due."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from anomalies import model_versions, references
from anomalies.models import Reference
from scoring.reference import VERSION
from tests.transactions import traffic
from transactions import intake, merchants, norms, pieces, tasks
from transactions.instants import microseconds

FIRST = datetime(2025, 3, 1, 15, 30, tzinfo=UTC)
MIDNIGHT = datetime(2025, 3, 1, tzinfo=UTC)


def days(ends: list[datetime]) -> list[int]:
    return [(end - MIDNIGHT).days for end in ends]


def test_references_lie_a_day_apart_at_first_and_a_week_apart_later() -> None:
    ends = days(norms.ladder(FIRST, FIRST + timedelta(days=60)))
    assert ends == [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 22, 27, 33, 40, 47, 54]


def test_no_reference_is_due_on_the_first_day() -> None:
    assert norms.ladder(FIRST, FIRST + timedelta(hours=8)) == []


def test_more_data_keeps_the_references_that_there_are() -> None:
    sooner = norms.ladder(FIRST, FIRST + timedelta(days=30))
    assert norms.ladder(FIRST, FIRST + timedelta(days=90))[: len(sooner)] == sooner


def test_each_day_of_a_window_is_judged_by_the_reference_in_force_then() -> None:
    ends = norms.ladder(FIRST, FIRST + timedelta(days=60))
    midnights = [microseconds(MIDNIGHT + timedelta(days=day)) for day in range(61)]

    def turns(day: int) -> list[tuple[int, int, int]]:
        """On which day each of them ended, and from and to which day it judged."""
        found = norms._turns(ends, MIDNIGHT + timedelta(days=day))
        return [((by - MIDNIGHT).days, midnights.index(since), midnights.index(until)) for by, (since, until) in found]

    assert turns(5) == [(1, 1, 2), (2, 2, 3), (3, 3, 4), (4, 4, 5)]
    assert turns(47) == [(18, 19, 22), (22, 22, 27), (27, 27, 33), (33, 33, 40), (40, 40, 47)]
    assert list(norms._turns([], FIRST)) == []


@pytest.mark.django_db
def test_a_reference_takes_rarity_from_what_the_stored_ones_before_it_said() -> None:
    intake.take(traffic.rows(3000), score=False)
    norms.build_due()
    newest = Reference.objects.order_by("-until")[0]
    whole = bytes(newest.payload)
    newest.delete()
    norms.build_due()
    assert bytes(Reference.objects.order_by("-until")[0].payload) == whole
    Reference.objects.all().delete()
    model = model_versions.in_turn()[0]
    with merchants.stretches(users=0) as stretches:
        (alone,) = norms.fitted({newest.until: [model]}, stretches)
    assert alone.content.raw.as_json() != json.loads(whole)["raw"]
    assert {**json.loads(alone.content.to_bytes()), "raw": 0} == {**json.loads(whole), "raw": 0}


@pytest.mark.django_db
def test_an_empty_table_needs_none() -> None:
    assert norms.build_due() == 0


@pytest.mark.django_db
def test_each_is_built_once_and_from_rows_before_its_end_only() -> None:
    intake.take(traffic.rows(3000), score=False)
    built = norms.build_due()
    assert built == Reference.objects.count() > 5
    before = list(Reference.objects.values_list("until", "payload"))
    assert norms.build_due() == 0
    intake.take(traffic.rows(500, days=60, seed=2), score=False)
    norms.build_due()
    later = dict(Reference.objects.values_list("until", "payload"))
    assert all(later[until] == payload for until, payload in before)


@pytest.mark.django_db
def test_a_sample_in_small_pieces_makes_the_same_references(monkeypatch: pytest.MonkeyPatch) -> None:
    intake.take(traffic.rows(3000), score=False)
    norms.build_due()
    whole = dict(Reference.objects.values_list("until", "payload"))
    Reference.objects.all().delete()
    # Two or three users at once.
    monkeypatch.setattr(pieces, "ROWS_AT_ONCE", 200)
    monkeypatch.setattr(norms, "SAMPLE_ROWS", 500)
    norms.build_due()
    assert dict(Reference.objects.values_list("until", "payload")) == whole


@pytest.mark.django_db
def test_a_reference_has_its_rows_also_where_the_planner_has_not_seen_the_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(norms, "REFERENCE_ROWS", 1000)
    monkeypatch.setattr(norms, "FEWEST_USERS", 1)
    # What it thinks of a table that has just been filled may be wrong many times over.
    intake.take(traffic.rows(4000, users=400), score=False)
    norms.build_due()
    newest = Reference.objects.order_by("-until")[0]
    assert 800 < newest.rows < 1200


def test_ends_are_grouped_so_that_their_windows_fit() -> None:
    ends = norms.ladder(FIRST, FIRST + timedelta(days=400))
    groups = list(norms._groups(ends, days=90))
    assert [end for group in groups for end in group] == ends
    assert max(group[-1] - group[0] + norms.WINDOW for group in groups) <= timedelta(days=90)
    assert len(groups) < 12


@pytest.mark.django_db
def test_one_user_is_at_most_a_tenth_of_what_is_normal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "ROWS_AT_ONCE", 300)
    monkeypatch.setattr(norms, "LARGEST_USER_ROWS", 600)
    intake.take([*traffic.rows(2000), *traffic.rows(3000, users=1, seed=2)], score=False)
    norms.build_due()
    newest = Reference.objects.order_by("-until")[0]
    assert 1300 < newest.rows < 2200


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_runs_at_once_build_each_reference_once() -> None:
    intake.take(traffic.rows(3000), score=False)

    def build(_: int) -> int:
        try:
            return norms.build_due()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as runs:
        built = list(runs.map(build, range(2)))
    assert sorted(built) == [0, Reference.objects.count()]


@pytest.mark.django_db
def test_after_an_upgrade_references_are_built_anew_beside_the_old_ones() -> None:
    intake.take(traffic.rows(3000), score=False)
    built = norms.build_due()
    Reference.objects.update(version=VERSION - 1, payload=b"of an earlier version")
    assert references.in_force(traffic.START + timedelta(days=50)) is None
    assert norms.build_due() == built
    assert Reference.objects.count() == 2 * built
    assert references.in_force(traffic.START + timedelta(days=50)) is not None


@pytest.mark.django_db
def test_the_worker_and_a_command_build_what_is_due() -> None:
    intake.take(traffic.rows(1500, days=10), score=False)
    out = StringIO()
    call_command("reference", "build", "--json", stdout=out)
    assert json.loads(out.getvalue())["built"] == Reference.objects.count() > 0
    intake.take(traffic.rows(1500, days=20, seed=2), score=False)
    before = Reference.objects.count()
    tasks.build_references(0)
    assert Reference.objects.count() > before
    out = StringIO()
    call_command("reference", "build", stdout=out)
    assert out.getvalue().startswith("Built 0 references in ")
