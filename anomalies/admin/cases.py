"""The queue of cases."""

from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.timezone import now
from django.utils.translation import gettext, gettext_lazy
from unfold.views import ChangeList

from anomalies import show
from anomalies.admin import case_filters
from anomalies.admin.base import IdSearch
from anomalies.admin.bulk_actions import BulkActions
from anomalies.admin.case_actions import CaseActions
from anomalies.admin.filters import Rows
from anomalies.admin.view_actions import ViewActions
from anomalies.analysts import REVIEW
from anomalies.estimates import COUNTED_ROWS, Counted, EstimatedPaginator, bounded_count, up_to_bound
from anomalies.models import Case
from anomalies.sentences import sentence

# Of closed cases there may be millions: the list looks at so many of those closed last, within the days and the
# merchant that the filters name. For older ones name an earlier day.
CLOSED_IN_REACH = 10_000


class QueuePaginator(EstimatedPaginator):
    """Counts up to a bound, which here is nearly always all: the sets are bounded themselves."""

    is_capped = True

    @cached_property
    def counted(self) -> tuple[int, bool]:
        # The list has often counted already, for the numbers beside the states.
        known: Counted | None = getattr(self.object_list, "counted", None)
        return known or bounded_count(self.object_list)  # type: ignore[arg-type]


class CaseList(ChangeList):  # type: ignore[misc]
    """A page of the queue, with the numbers that stand beside the choices of the state."""

    result_list: Any
    filter_specs: list[Any]
    # Cases closed before are out of reach of this list.
    closed_since: datetime | None = None

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> Rows:
        rows: Rows = super().get_queryset(request, exclude_parameters)
        if self.shows_closed and not self.names_one():
            self.closed_since = self.start_of_reach(request)
        if self.closed_since is None:
            return rows
        return rows.filter(~Q(state=Case.State.CLOSED) | Q(closed_at__gte=self.closed_since))

    def start_of_reach(self, request: HttpRequest) -> datetime | None:
        """From when on the list takes closed cases; None if it can take all there are. One query, by an index.

        Narrowed by those filters that have an index; all others sift what is in reach.
        """
        newest = Case.objects.filter(state=Case.State.CLOSED, closed_at__isnull=False)
        for kind in (case_filters.ClosedRange, case_filters.MerchantFilter):
            newest = self.spec(kind).queryset(request, newest)
        return newest.order_by("-closed_at").values_list("closed_at", flat=True)[CLOSED_IN_REACH:].first()

    def names_one(self) -> bool:
        """Whether the search is for an id: then an index leads to the few rows that fit."""
        try:
            UUID(self.query.strip())
        except ValueError:
            return False
        return True

    @property
    def state(self) -> case_filters.StateFilter:
        found: case_filters.StateFilter = self.spec(case_filters.StateFilter)
        return found

    @property
    def analysts(self) -> list[tuple[int, str]]:
        people: list[tuple[int, str]] = self.spec(case_filters.AnalystFilter).people
        return people

    def spec(self, kind: type[Any]) -> Any:
        return next(spec for spec in self.filter_specs if isinstance(spec, kind))

    def get_results(self, request: HttpRequest) -> None:
        self.counts = self.working_counts(request)
        self.queryset.counted = self.counts.get(self.state.shown())
        super().get_results(request)
        self.result_list = list(self.result_list)
        may_review = request.user.has_perm(REVIEW)
        for case in self.result_list:
            case.may_be_picked = may_review and case.state != Case.State.CLOSED

    def working_counts(self, request: HttpRequest) -> dict[str, Counted]:
        """How many cases that are not closed fit all filters but the state's, by state. One query."""
        if self.state.asks_for_closed:
            return {}
        rows = self.root_queryset
        for spec in self.filter_specs:
            if spec is not self.state:
                rows = spec.queryset(request, rows)
        rows, _duplicates = self.model_admin.get_search_results(request, rows, self.query)
        working = rows.exclude(state=Case.State.CLOSED).order_by().values("state", "assignee_id")
        found = working[: COUNTED_ROWS + 1].aggregate(
            todo=Count("state"),
            open=Count("state", filter=Q(state=Case.State.OPEN)),
            mine=Count("state", filter=Q(assignee_id=request.user.pk)),
            claimed=Count("state", filter=Q(state=Case.State.CLAIMED)),
        )
        return {state: up_to_bound(rows, of=found["todo"]) for state, rows in found.items()}

    @property
    def shows_closed(self) -> bool:
        return self.state.shown() in {"closed", "all"}

    def states(self) -> Iterator[dict[str, Any]]:
        """The choices of the state, each with its number where there is one."""
        for option, choice in zip(self.state.options, self.state.choices(self), strict=True):
            yield {**choice, "selected": option.value == self.state.shown(), "counted": self.counts.get(option.value)}


@admin.register(Case)
class CaseAdmin(IdSearch, BulkActions, ViewActions, CaseActions):
    # The choice of rows stands in the list of everybody: the URL of a shared view counts columns to sort by.
    list_display = ("pick", "urgency", "user", "anomalies_", "top_reason_", "amount_", "age", "state_", "who")
    list_display_links = ("urgency", "user")
    list_filter = case_filters.ALL
    list_select_related = ("assignee", "closed_by")
    ordering = ("-priority", "id")
    sortable_by = ("urgency", "anomalies_", "amount_", "age")
    paginator = QueuePaginator
    searched_ids = ("user_id", "pk")
    search_help_text = gettext_lazy("User or case id")
    list_before_template = "console/queue_tabs.html"
    list_after_template = "console/queue_bulk.html"
    # A bare address may lead on to a saved view.
    whole_list = "?state=todo"
    empty_title = gettext_lazy("No case here")
    empty_hint = gettext_lazy(
        "A case opens when an anomaly reaches the alert threshold, which follows from the alert budget. "
        "Nothing to do is the best state of a queue; closed cases are under “Closed”."
    )

    def get_changelist(self, _request: HttpRequest, **_kwargs: Any) -> type[ChangeList]:
        return CaseList

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        # What was closed last is looked for more often than what was most urgent once; an index gives it in order.
        return ("-closed_at", "id") if request.GET.get("state") == "closed" else self.ordering

    @admin.display(description="")
    def pick(self, case: Any) -> str:
        if not case.may_be_picked:
            return ""
        label = gettext("Select the case of user %(user)s") % {"user": str(case.user_id)[-show.SHORT_ID_LETTERS :]}
        box = '<input type="checkbox" class="c-pick" name="case" value="{}" form="bulk" aria-label="{}">'
        return format_html(box, case.pk, label)

    @admin.display(description=gettext_lazy("priority"), ordering="-priority")
    def urgency(self, case: Case) -> str:
        return show.level(case.priority)

    @admin.display(description=gettext_lazy("user"))
    def user(self, case: Case) -> str:
        return show.short_id(case.user_id)

    @admin.display(description=gettext_lazy("anomalies"), ordering="-anomaly_count")
    def anomalies_(self, case: Case) -> str:
        return format_html('<span class="number">{}</span>', show.whole(case.anomaly_count))

    @admin.display(description=gettext_lazy("strongest reason"))
    def top_reason_(self, case: Case) -> str:
        return reason_cell([case.reason] if case.reason else [], case.currency)

    @admin.display(description=gettext_lazy("amount"), ordering="-amount")
    def amount_(self, case: Case) -> str:
        return "" if case.amount is None else show.money(case.amount, case.currency)

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
