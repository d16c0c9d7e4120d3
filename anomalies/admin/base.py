"""What the lists of growing tables have in common."""

from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from anomalies import show
from anomalies.estimates import EstimatedPaginator


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc]
    """A list and its rows to look at: nothing is added, changed or deleted by form."""

    paginator = EstimatedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_fullwidth = True
    list_disable_select_all = True
    actions: tuple[str, ...] | None = None
    sortable_by: tuple[str, ...] = ()
    # The address of the list without filters.
    whole_list = "?"
    # What an empty list says: why it is empty, and what to do next.
    empty_title: Any = ""
    empty_hint: Any = ""

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        return False


class PaymentColumns:
    """What a list says of a payment: the rows are transactions, or anomalies, which hold a copy of theirs."""

    @admin.display(description=_("time (UTC)"), ordering="-txn_date")
    def when(self, row: Any) -> str:
        return show.moment(row.txn_date)

    @admin.display(description=_("user"))
    def user(self, row: Any) -> str:
        return show.user_link(row.user_id)

    @admin.display(description=_("amount"))
    def amount_(self, row: Any) -> str:
        return show.money(row.amount, row.currency)

    @admin.display(description=_("merchant"))
    def merchant(self, row: Any) -> str:
        return format_html('<span class="merchant">{}</span>', row.merchant_id or "")

    @admin.display(description=_("status"))
    def status_(self, row: Any) -> str:
        return str(row.status)


class IdSearch:
    """Search by a whole id only: any other search of a growing table reads all of it."""

    search_fields = ("pk",)
    searched_ids: tuple[str, ...] = ("pk",)

    def get_search_results(
        self, _request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        if not search_term.strip():
            return queryset, False
        try:
            wanted = UUID(search_term.strip())
        except ValueError:
            return queryset.none(), False
        matches = (Q((name, wanted)) for name in self.searched_ids)
        return queryset.filter(reduce(or_, matches)), False
