"""The queue of cases."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.timezone import now
from django.utils.translation import gettext_lazy
from unfold.views import ChangeList

from anomalies import show
from anomalies.admin import case_page
from anomalies.admin.base import IdSearch
from anomalies.admin.case_actions import CaseActions
from anomalies.admin.filters import Choice, LevelFilter, Links, Rows
from anomalies.models import Anomaly, Case
from anomalies.sentences import sentence


class StateFilter(Links):
    title = gettext_lazy("state")
    parameter_name = "state"
    options = (
        Choice("todo", gettext_lazy("To do")),
        Choice("open", gettext_lazy("Unclaimed")),
        Choice("mine", gettext_lazy("Mine")),
        Choice("claimed", gettext_lazy("Claimed")),
        Choice("closed", gettext_lazy("Closed")),
        Choice("all", gettext_lazy("All")),
    )

    def narrowed(self, request: HttpRequest, queryset: Rows, chosen: str) -> Rows:
        if chosen == "todo":
            # Only closed cases have an outcome: asking for one asks for them.
            return queryset if "outcome" in request.GET else queryset.exclude(state=Case.State.CLOSED)
        if chosen == "mine":
            return queryset.filter(assignee=request.user.pk).exclude(state=Case.State.CLOSED)
        return queryset if chosen == "all" else queryset.filter(state=chosen)


class PriorityFilter(LevelFilter):
    score_field = "priority"


class AgeFilter(Links):
    title = gettext_lazy("opened")
    parameter_name = "age"
    options = (
        Choice("any", gettext_lazy("Any time")),
        Choice("day", gettext_lazy("Last 24 h")),
        Choice("week", gettext_lazy("Last 7 days")),
        Choice("older", gettext_lazy("Earlier")),
    )

    def narrowed(self, _request: HttpRequest, queryset: Rows, chosen: str) -> Rows:
        moment = now()
        if chosen == "older":
            return queryset.filter(opened_at__lt=moment - timedelta(days=7))
        days = {"day": 1, "week": 7}.get(chosen)
        return queryset.filter(opened_at__gte=moment - timedelta(days=days)) if days else queryset


class OutcomeFilter(Links):
    title = gettext_lazy("outcome")
    parameter_name = "outcome"
    options = (Choice("any", gettext_lazy("Any")), *(Choice(value, name) for value, name in Case.Outcome.choices))

    def narrowed(self, _request: HttpRequest, queryset: Rows, chosen: str) -> Rows:
        return queryset if chosen == "any" else queryset.filter(outcome=chosen)


class CaseList(ChangeList):  # type: ignore[misc]
    """A page of cases, each with its strangest anomaly: one query for the page."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        page = list(self.result_list)
        strangest = case_page.strangest_of(page)
        for case in page:
            case.strangest = strangest.get(case.pk)
        self.result_list = page


@admin.register(Case)
class CaseAdmin(IdSearch, CaseActions):
    list_display = ("urgency", "user", "anomalies_", "top_reason", "amount", "age", "state_", "who")
    list_display_links = ("urgency", "user")
    list_filter = (StateFilter, PriorityFilter, AgeFilter, OutcomeFilter)
    list_select_related = ("assignee", "closed_by")
    ordering = ("-priority", "id")
    sortable_by = ("urgency", "age")
    searched_ids = ("user_id", "pk")
    search_help_text = gettext_lazy("Whole user or case id")
    empty_title = gettext_lazy("No case here")
    empty_hint = gettext_lazy(
        "A case opens when an anomaly reaches the alert threshold, which follows from the alert budget. "
        "Nothing to do is the best state of a queue; closed cases are under “Closed”."
    )

    def get_changelist(self, _request: HttpRequest, **_kwargs: Any) -> type[ChangeList]:
        return CaseList

    @admin.display(description=gettext_lazy("priority"), ordering="-priority")
    def urgency(self, case: Case) -> str:
        return show.level(case.priority)

    @admin.display(description=gettext_lazy("user"))
    def user(self, case: Case) -> str:
        return show.short_id(case.user_id)

    @admin.display(description=gettext_lazy("anomalies"))
    def anomalies_(self, case: Case) -> str:
        return format_html('<span class="number">{}</span>', show.whole(case.anomaly_count))

    @admin.display(description=gettext_lazy("strongest reason"))
    def top_reason(self, case: Any) -> str:
        found: Anomaly | None = case.strangest
        return reason_cell(found.reasons[:1], found.currency) if found else ""

    @admin.display(description=gettext_lazy("amount"))
    def amount(self, case: Any) -> str:
        found: Anomaly | None = case.strangest
        return show.money(found.amount, found.currency) if found else ""

    @admin.display(description=gettext_lazy("age"), ordering="opened_at")
    def age(self, case: Case) -> str:
        return format_html('<span class="number">{}</span>', show.span((case.closed_at or now()) - case.opened_at))

    @admin.display(description=gettext_lazy("state"))
    def state_(self, case: Case) -> str:
        text = case.get_outcome_display() if case.state == Case.State.CLOSED else case.get_state_display()
        return format_html('<span class="state state-{}">{}</span>', case.outcome or case.state, text)

    @admin.display(description=gettext_lazy("analyst"))
    def who(self, case: Case) -> str:
        return str(case.closed_by or case.assignee or "")


def reason_cell(reasons: list[dict[str, Any]], currency: str) -> str:
    """The first reason as a sentence that is cut where the column ends; whole on hover."""
    if not reasons:
        return ""
    text = sentence(reasons[0], currency)
    return format_html('<span class="reason-cell" title="{}">{}</span>', text, text)
