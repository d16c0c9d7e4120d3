"""Filters of our lists. They stand in a bar above the list, live in the URL and need no JavaScript."""

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, NamedTuple

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters, ModelAdmin
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from scoring.blend import HIGHEST_SCORE, LEVELS

Rows = QuerySet[Any]
# The first amount that has no room in the database.
MOST_MONEY = Decimal(10) ** 18


class Choice(NamedTuple):
    """One link of a filter; `value` is what the URL says."""

    value: str
    text: Any


class Links(admin.SimpleListFilter):
    """A choice of one of a few, as links. The first choice holds while the URL says nothing."""

    template = "console/no_filter.html"
    is_links = True
    options: ClassVar[tuple[Choice, ...]] = ()

    def lookups(self, _request: HttpRequest, _model_admin: "ModelAdmin[Any]") -> Iterable[Choice]:
        return self.options

    def chosen(self) -> str:
        value = self.value() or self.options[0].value
        if value not in {option.value for option in self.options}:
            raise IncorrectLookupParameters(f"{self.parameter_name}={value}")
        return value

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        chosen = self.chosen()
        for option in self.options:
            # The first choice needs no word in the URL. A page number of the old choice means nothing.
            value = None if option == self.options[0] else option.value
            query = changelist.get_query_string({str(self.parameter_name): value}, remove=[PAGE_VAR])
            yield {"selected": option.value == chosen, "query_string": query, "display": option.text}

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        return self.narrowed(request, queryset, self.chosen())

    def narrowed(self, _request: HttpRequest, queryset: Rows, _chosen: str) -> Rows:
        return queryset


class LevelFilter(Links):
    """By the level of a score; the subclass says which field is the score."""

    title = _("level")
    parameter_name = "level"
    score_field = "score"
    options = (
        Choice("any", _("Any")),
        Choice("high", _("High")),
        Choice("medium", _("Medium")),
        Choice("low", _("Low")),
    )

    def narrowed(self, _request: HttpRequest, queryset: Rows, chosen: str) -> Rows:
        if chosen == "any":
            return queryset
        low, high = level_range(chosen)
        below = {} if high > HIGHEST_SCORE else {f"{self.score_field}__lt": high}
        return queryset.filter(**{f"{self.score_field}__gte": low}, **below)


def level_range(name: str) -> tuple[float, float]:
    """From which score on a level goes, and up to which (not included)."""
    starts = [least for least, _name in LEVELS]
    names = [level for _least, level in LEVELS]
    place = names.index(name)
    return starts[place], math.inf if place == 0 else starts[place - 1]


class Inputs(admin.ListFilter):
    """Fields of the bar's form. What cannot be read matches nothing, and the bar says why."""

    template = "console/no_filter.html"
    is_inputs = True
    field = ""
    # The model's field, where the URL calls it otherwise.
    column = ""
    input_type = "text"
    suffixes: tuple[str, ...] = ("",)
    labels: tuple[Any, ...] = ("",)
    hint: Any = ""

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: type[Model], model_admin: "ModelAdmin[Any]"
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.names = [self.field + suffix for suffix in self.suffixes]
        self.texts = [params.pop(name, [""])[-1].strip() for name in self.names]
        self.error: Any = ""

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return [*self.names]

    def choices(self, _changelist: ChangeList) -> Iterator[Any]:
        return iter(())

    def inputs(self) -> Iterator[dict[str, Any]]:
        for name, text, label in zip(self.names, self.texts, self.labels, strict=True):
            yield {"name": name, "value": text, "label": label}

    def queryset(self, _request: HttpRequest, queryset: Rows) -> Rows:
        try:
            conditions = self.conditions(*self.texts)
        except (ValueError, OverflowError):
            self.error = self.hint
            return queryset.none()
        return queryset.filter(**conditions)

    def conditions(self, *_texts: str) -> dict[str, Any]:
        """The lookups for the texts, any of which may be empty. Raises ValueError."""
        return {}


class NumberRange(Inputs):
    """From and to, both included."""

    input_type = "number"
    suffixes = ("_from", "_to")
    labels = (_("from"), _("to"))
    hint = _("Numbers, please.")

    def conditions(self, *texts: str) -> dict[str, Any]:
        name = self.column or self.field
        lookups = (f"{name}__gte", f"{name}__lte")
        return {lookup: self.number(text) for lookup, text in zip(lookups, texts, strict=True) if text}

    def number(self, text: str) -> float | Decimal:
        number = float(text)
        if not math.isfinite(number):
            raise ValueError(text)
        return number


class MoneyRange(NumberRange):
    """From and to an amount, which never passes through a float."""

    hint = _("Amounts such as 1234.50, please.")

    def number(self, text: str) -> Decimal:
        try:
            amount = Decimal(text)
        except InvalidOperation as error:
            raise ValueError(text) from error
        if not amount.is_finite() or abs(amount) >= MOST_MONEY:
            raise ValueError(text)
        return amount


class DateRange(Inputs):
    """From the beginning of one day to the end of another, in UTC."""

    input_type = "date"
    suffixes = ("_from", "_to")
    labels = (_("from"), _("to"))
    hint = _("Dates like 2026-03-31, please.")

    def conditions(self, *texts: str) -> dict[str, Any]:
        low, high = texts
        name = self.column or self.field
        conditions: dict[str, Any] = {}
        if low:
            conditions[f"{name}__gte"] = _midnight(low)
        if high:
            conditions[f"{name}__lt"] = _midnight(high) + timedelta(days=1)
        return conditions


class Code(Inputs):
    """A code in capitals, as a whole: a currency."""

    def conditions(self, *texts: str) -> dict[str, Any]:
        return {self.field: texts[0].upper()} if texts[0] else {}


def _midnight(text: str) -> datetime:
    return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
