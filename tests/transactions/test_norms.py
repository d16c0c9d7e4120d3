"""The references that are due."""

from datetime import UTC, datetime, timedelta

import pytest

from anomalies.models import Reference
from tests.transactions import traffic
from transactions import intake, norms

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
