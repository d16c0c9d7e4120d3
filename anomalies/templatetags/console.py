"""`anomalies.show` for templates, reasons as sentences, and what the filter bar needs of a list."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import template
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from anomalies import show
from anomalies.figures import MOST_COUNTED
from anomalies.sentences import sentence as written
from anomalies.titles import group_title, title

register = template.Library()

SMALLEST_TOLD = 0.01

register.filter("level", show.level)
register.filter("moment", show.moment)
register.filter("points", show.points)
register.filter("rarity", show.rarity)
register.filter("short_id", show.short_id)
register.filter("span", show.span)
register.filter("title_of", title)
register.filter("title_of_group", group_title)
register.simple_tag(show.money, name="money")


@register.filter
def whole(value: float | None) -> str:
    return show.whole(value or 0)


@register.filter
def counted(value: tuple[int, bool]) -> str:
    """A count and whether it is exact: “1,234” or “≈ 1,230,000”, an estimate to three digits."""
    rows, is_exact = value
    if is_exact:
        return show.whole(rows)
    digits = max(0, len(str(rows)) - 3)
    return f"≈\N{NO-BREAK SPACE}{show.whole(round(rows, -digits))}"


@register.filter
def sentence(reason: Mapping[str, Any], currency: str) -> str:
    """A reason as a sentence; a template escapes it, since merchants and the like may be in it."""
    return written(reason, currency)


@register.filter
def evidence(contribution: float) -> str:
    """A contribution to two decimals; a tiny one is not told as nothing."""
    return number_format(contribution, decimal_pos=2) if contribution >= SMALLEST_TOLD else _("under 0.01")


@register.filter
def get(mapping: Mapping[Any, Any], key: Any) -> Any:
    return mapping.get(key)


@register.filter
def total(pairs: Iterable[tuple[str, int]]) -> int:
    return sum(times for _name, times in pairs)


@register.filter
def percent(share: float) -> str:
    """0.625 → 63 %, with the space that does not break."""
    return f"{show.whole(100 * share)}\N{NO-BREAK SPACE}%"


@register.filter
def hundredths(share: float) -> str:
    """0.625 → 62.5, as coordinates of SVG want it."""
    return f"{100 * share:.1f}"


@register.filter
def at_least(value: tuple[int, bool]) -> str:
    """A count and whether it is exact: “1,234” or, where counting stopped, “10,000+”."""
    rows, is_exact = value
    return show.whole(rows) if is_exact else f"{show.whole(rows)}+"


@register.filter
def bounded(count: int) -> str:
    """A count that stopped at a bound: “10,000+” beyond it."""
    return show.whole(count) if count <= MOST_COUNTED else f"{show.whole(MOST_COUNTED)}+"


@register.filter
def unlocalized_whole(value: int) -> str:
    """A whole number as form fields want it, whatever the reader's language."""
    return str(value)


@register.filter
def unlocalized(value: float) -> str:
    """A number as SVG and URLs want it, whatever the reader's language."""
    return f"{value:.1f}"


@register.filter
def choices_of(spec: Any, changelist: ChangeList) -> Sequence[Any]:
    return list(spec.choices(changelist))


@register.filter
def has_inputs(changelist: Any) -> bool:
    return any(_is_field(spec) for spec in changelist.filter_specs)


@register.filter
def other_parameters(changelist: Any) -> list[tuple[str, str]]:
    """What the bar's form must send along, so that applying it changes nothing else."""
    own = {name for spec in changelist.filter_specs if _is_field(spec) for name in spec.expected_parameters()}
    return [
        (name, value)
        for name, values in changelist.filter_params.items()
        for value in values
        if name not in own | {PAGE_VAR, "e"}
    ]


def _is_field(spec: Any) -> bool:
    return getattr(spec, "is_inputs", False) or getattr(spec, "is_menu", False)
