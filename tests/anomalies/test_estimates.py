"""Counts of lists: exact while that is cheap, estimated beyond."""

import pytest
from django.contrib.auth.models import Permission

from anomalies import estimates
from anomalies.estimates import EstimatedPaginator, counted_rows, estimated_rows

pytestmark = pytest.mark.django_db


def test_a_short_list_is_counted_exactly():
    assert counted_rows(Permission.objects.all()) == (Permission.objects.count(), True)
    assert estimated_rows(Permission.objects.all()) == Permission.objects.count()


def test_a_list_that_cannot_match_asks_nobody(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert counted_rows(Permission.objects.none()) == (0, True)


def test_beyond_the_bound_the_count_is_an_estimate(monkeypatch):
    monkeypatch.setattr(estimates, "COUNTED_ROWS", 3)
    rows, exact = counted_rows(Permission.objects.all())
    assert rows >= 4
    assert not exact


def test_what_is_dear_to_count_is_estimated_by_the_planner(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(estimates, "COUNTING_COST", 0.0)
    with django_assert_num_queries(1):
        rows, exact = counted_rows(Permission.objects.order_by("pk"))
    assert rows >= 1
    assert not exact


def test_the_paginator_ends_before_offsets_grow_dear(monkeypatch):
    monkeypatch.setattr(estimates, "LAST_PAGE", 2)
    paginator = EstimatedPaginator(Permission.objects.order_by("pk"), 5)
    assert paginator.is_exact
    assert paginator.count == Permission.objects.count()
    assert paginator.num_pages == 2
    assert len(paginator.page(2).object_list) == 5
