"""django-filter without its price: filters are declared in a FilterSet and asked of a `Listing`.

To instantiate a FilterSet copies all its form fields, 0.66 ms for the eight filters of transactions, as long as
a page of 100 rows takes. So the fields are read where they are declared, in `base_filters`, and each filter's field
name and lookup become a condition. A test holds every filter to what its FilterSet finds with the ORM.
"""

from functools import cache
from typing import Any

from django_filters import Filter, FilterSet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.contrib.django_filters import DjangoFilterExtension
from rest_framework.request import Request

from anomalies.api.listing import Condition, Listing
from anomalies.api.parameters import StrictField, documented


class StrictFilter(Filter):  # type: ignore[misc]
    """A filter with a strict field, which also says what the schema shows."""

    def __init__(
        self, field_class: type[StrictField], field_name: str | None = None, lookup_expr: str = "exact", **more: Any
    ) -> None:
        self.field_class = field_class
        super().__init__(field_name, lookup_expr, **more)


class DeclaredFilters(DjangoFilterBackend):  # type: ignore[misc]
    """Asks a Listing what the view's FilterSet would ask a queryset. The view has read the parameters."""

    filterset_base = FilterSet

    def filter_queryset(self, _request: Request, queryset: Listing, view: Any) -> Listing:
        asked = view.asked
        found = [
            Condition(column, lookup, asked[name])
            for name, column, lookup in _conditions(view.__class__)
            if asked[name] is not None
        ]
        return queryset.where(*found)


@cache
def _conditions(viewset: Any) -> list[tuple[str, str, str]]:
    """Of each filter: its name, the column that it asks, and the lookup."""
    column = viewset.queryset.model._meta.get_field
    filters = viewset.filterset_class.base_filters
    return [(name, column(one.field_name).column, one.lookup_expr) for name, one in filters.items()]


class DeclaredFiltersInSchema(DjangoFilterExtension):  # type: ignore[no-untyped-call]
    """Lets drf-spectacular show what each filter's field says, where it would guess from the model."""

    target_class = "anomalies.api.filtering.DeclaredFilters"
    priority = 1  # Before the one for django-filter's own backend, which matches too.

    def resolve_filter_field(self, *given: Any) -> list[dict[str, Any]]:
        *_, name, one = given
        return [documented(name, one.field)]
