"""Filters of the queue.

All but those of the state narrow a set that is bounded before: the cases that are not closed, of which there are
about as many as analysts can take, or the latest closed ones (`anomalies.admin.cases.CaseList`).
"""

from collections.abc import Iterator
from datetime import timedelta
from functools import cached_property
from typing import Any, NamedTuple

from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Q
from django.http import HttpRequest
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from anomalies import analysts
from anomalies.admin.filters import Choice, Code, DateRange, Inputs, LevelFilter, Links, MoneyRange, NumberRange, Rows
from anomalies.models import Case
from anomalies.titles import GROUP_TITLES, TITLES
from scoring.reference import EVIDENCE

CHARACTERS_OF_A_MERCHANT = 500


class Group(NamedTuple):
    """Choices that stand together under a heading of their own."""

    title: Any
    choices: list[Choice]


class Menu(Links):
    """A choice of one of many, as a menu in the form."""

    is_menu = True

    def groups(self) -> Iterator[Group]:
        """All the choices; a group without a title is no group to look at."""
        yield Group("", list(self.options))


class StateFilter(Links):
    title = _("state")
    parameter_name = "state"
    options = (
        Choice("todo", _("To do")),
        Choice("open", _("Unclaimed")),
        Choice("mine", _("Mine")),
        Choice("claimed", _("Claimed")),
        Choice("closed", _("Closed")),
        Choice("all", _("All")),
    )

    def __init__(self, request: HttpRequest, params: dict[str, Any], *model: Any) -> None:
        # Only closed cases have an outcome or an end: asking for one asks for them.
        self.asks_for_closed = bool({"outcome", "closed_from", "closed_to"} & {*params})
        super().__init__(request, params, *model)

    def shown(self) -> str:
        """What the list shows: the choice, or closed cases where another filter asks for them."""
        chosen = self.chosen()
        return "closed" if chosen == "todo" and self.asks_for_closed else chosen

    def narrowed(self, request: HttpRequest, queryset: Rows, _chosen: str) -> Rows:
        shown = self.shown()
        working = queryset.exclude(state=Case.State.CLOSED)
        if shown == "todo":
            return working
        if shown == "mine":
            return working.filter(assignee=request.user.pk)
        if shown in {"open", "claimed"}:
            # Both conditions: the partial index is of cases not closed.
            return working.filter(state=shown)
        return queryset if shown == "all" else queryset.filter(state=Case.State.CLOSED)


class PriorityFilter(LevelFilter):
    score_field = "priority"


class ScoreRange(NumberRange):
    title = _("score")
    field = "score"
    column = "priority"


class AmountRange(MoneyRange):
    """The amount of the strangest anomaly, which is the one that the queue shows."""

    title = _("amount")
    field = "amount"


class CurrencyFilter(Code):
    title = _("currency")
    field = "currency"


class MerchantFilter(Inputs):
    """The whole id of the merchant of the strangest anomaly."""

    title = _("merchant")
    field = "merchant"
    hint = _("A merchant's whole id, please.")

    def conditions(self, *texts: str) -> dict[str, Any]:
        (wanted,) = texts
        if len(wanted) > CHARACTERS_OF_A_MERCHANT or "\0" in wanted:
            raise ValueError(wanted)
        return {"merchant_id": wanted} if wanted else {}


class ReasonFilter(Menu):
    """The strongest reason: its group of evidence, or exactly its kind."""

    title = _("reason")
    parameter_name = "reason"
    options = (
        Choice("any", _("Any")),
        *(Choice(group, title) for group, title in GROUP_TITLES.items()),
        *(Choice(code, title) for code, title in TITLES.items()),
    )

    def narrowed(self, _request: HttpRequest, queryset: Rows, chosen: str) -> Rows:
        if chosen == "any":
            return queryset
        return queryset.filter(reason__group=chosen) if chosen in GROUP_TITLES else queryset.filter(top_reason=chosen)

    def groups(self) -> Iterator[Group]:
        yield Group("", [Choice("any", _("Any"))])
        for group, title in GROUP_TITLES.items():
            codes = [Choice(code, TITLES[code]) for code in EVIDENCE.get(group, ()) if code in TITLES]
            yield Group(title, [Choice(group, _("%(group)s: any") % {"group": title}), *codes])


class AgeFilter(Links):
    title = _("opened")
    parameter_name = "age"
    options = (
        Choice("any", _("Any time")),
        Choice("day", _("Last 24 h")),
        Choice("week", _("Last 7 days")),
        Choice("older", _("Earlier")),
    )

    def narrowed(self, _request: HttpRequest, queryset: Rows, chosen: str) -> Rows:
        moment = now()
        if chosen == "older":
            return queryset.filter(opened_at__lt=moment - timedelta(days=7))
        days = {"day": 1, "week": 7}.get(chosen)
        return queryset.filter(opened_at__gte=moment - timedelta(days=days)) if days else queryset


class AnalystFilter(Menu):
    """Who holds the case, or who closed it: as the column says."""

    title = _("analyst")
    parameter_name = "analyst"
    options = (Choice("any", _("Any")), Choice("me", _("Me")), Choice("nobody", _("Nobody")))

    def chosen(self) -> str:
        value = self.value() or "any"
        if value not in {"any", "me", "nobody"} and not (value.isascii() and value.isdigit() and len(value) < 10):
            raise IncorrectLookupParameters(f"{self.parameter_name}={value}")
        return value

    def narrowed(self, request: HttpRequest, queryset: Rows, chosen: str) -> Rows:
        if chosen == "any":
            return queryset
        if chosen == "nobody":
            return queryset.filter(assignee=None, closed_by=None)
        who = request.user.pk if chosen == "me" else int(chosen)
        return queryset.filter(Q(closed_by=who) | Q(closed_by=None, assignee=who))

    def groups(self) -> Iterator[Group]:
        yield Group("", list(self.options))
        yield Group(_("Analysts"), [Choice(str(pk), name) for pk, name in self.people])

    @cached_property
    def people(self) -> list[tuple[int, str]]:
        return analysts.reviewers()


class OutcomeFilter(Menu):
    title = _("outcome")
    is_of_closed = True
    parameter_name = "outcome"
    options = (Choice("any", _("Any")), *(Choice(value, name) for value, name in Case.Outcome.choices))

    def narrowed(self, _request: HttpRequest, queryset: Rows, chosen: str) -> Rows:
        return queryset if chosen == "any" else queryset.filter(outcome=chosen)


class ClosedRange(DateRange):
    """The day on which a case was closed: the way to those that lie further back."""

    is_of_closed = True
    title = _("closed (UTC)")
    field = "closed"
    column = "closed_at"


ALL: tuple[type[Any], ...] = (
    StateFilter,
    PriorityFilter,
    AgeFilter,
    ScoreRange,
    AmountRange,
    CurrencyFilter,
    ReasonFilter,
    MerchantFilter,
    AnalystFilter,
    OutcomeFilter,
    ClosedRange,
)


def parameters() -> dict[str, str]:
    """The names that the filters read from the URL, each with the text that says nothing."""
    links = {str(kind.parameter_name): kind.options[0].value for kind in ALL if issubclass(kind, Links)}
    inputs = {kind.field + suffix: "" for kind in ALL if issubclass(kind, Inputs) for suffix in kind.suffixes}
    return {**links, **inputs}
