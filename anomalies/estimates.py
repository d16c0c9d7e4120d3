"""How many rows a list has, without counting a large table."""

import json
from functools import cached_property
from typing import Any, NamedTuple

from django.core.paginator import Paginator
from django.db.models import QuerySet

# Counting goes on up to here; analysts read pages, not totals.
COUNTED_ROWS = 10_000
# The planner's cost up to which counting those rows is cheaper than the page itself (some 20 ms).
COUNTING_COST = 10_000.0
# OFFSET reads all it skips, so the last pages of a large table would take seconds: narrow the filters instead.
LAST_PAGE = 500


class Counted(NamedTuple):
    """How many rows, and whether that is exact: if not, there are more."""

    rows: int
    is_exact: bool


def bounded_count(queryset: "QuerySet[Any]") -> Counted:
    """How many rows `queryset` has, up to COUNTED_ROWS. One query; for sets that an index bounds."""
    return up_to_bound(queryset.order_by().values("pk")[: COUNTED_ROWS + 1].count())


def up_to_bound(rows: int, *, of: int | None = None) -> Counted:
    """What counting that stopped after COUNTED_ROWS + 1 knows; `of`: how many it looked at, if not all counted."""
    return Counted(min(rows, COUNTED_ROWS), (rows if of is None else of) <= COUNTED_ROWS)


def estimated_rows(queryset: "QuerySet[Any]") -> int:
    """About how many rows `queryset` has: see `counted_rows`."""
    return counted_rows(queryset)[0]


def counted_rows(queryset: "QuerySet[Any]") -> tuple[int, bool]:
    """How many rows `queryset` has, and whether that is exact. One EXPLAIN, at most one bounded count.

    Exact up to COUNTED_ROWS where finding them is cheap, otherwise the planner's estimate.
    """
    unordered = queryset.order_by().values("pk")
    plan = unordered.explain(format="json")
    if not plan:  # Django saw that nothing can match and asked nobody.
        return 0, True
    root = json.loads(plan)[0]["Plan"]
    rows, cost = max(int(root["Plan Rows"]), 1), float(root["Total Cost"])
    if cost * min(1.0, COUNTED_ROWS / rows) > COUNTING_COST:
        return rows, False
    counted = unordered[: COUNTED_ROWS + 1].count()
    return (counted, True) if counted <= COUNTED_ROWS else (max(rows, counted), False)


class EstimatedPaginator(Paginator):  # type: ignore[type-arg]
    """Django's paginator with `counted_rows` for its count, ending at LAST_PAGE.

    For `ModelAdmin.paginator`, together with `show_full_result_count = False`.
    """

    @cached_property
    def counted(self) -> tuple[int, bool]:
        """How many rows, and whether that is exact."""
        return counted_rows(self.object_list)  # type: ignore[arg-type]

    @cached_property
    def count(self) -> int:
        return self.counted[0]

    @property
    def is_exact(self) -> bool:
        return self.counted[1]

    @cached_property
    def num_pages(self) -> int:
        return min(super().num_pages, LAST_PAGE)
