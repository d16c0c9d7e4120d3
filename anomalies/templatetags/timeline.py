"""What the pages of cases and users need of numbers: for the picture of a timeline, and beside reasons."""

import math
from datetime import UTC
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext as _

import scoring
from anomalies import show

register = template.Library()
# Beyond, a unit says it shorter.
SHORTENED_FROM = 100_000
SMALLEST_TO_THREE_DIGITS = 0.1
MOST_DECIMALS = 6


@register.filter
def across(value: float) -> str:
    """A length as SVG wants it, whatever the reader's language."""
    return f"{value:.2f}%"


@register.filter
def short_amount(value: float) -> str:
    """A round amount for an axis: 0.1, 20, 5k, 2M."""
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"


@register.filter
def figure(value: float | None) -> str:
    """A number to three digits, as far as they matter; unknown is a dash."""
    if value is None or not math.isfinite(value):
        return "–"
    if abs(value) >= SHORTENED_FROM:
        return short_amount(float(f"{value:.3g}"))
    if value == int(value):
        return number_format(Decimal(int(value)), decimal_pos=0)
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    # Of tiny numbers their size alone is told.
    digits = min(digits, 3) if abs(value) >= SMALLEST_TO_THREE_DIGITS else min(max(digits - 2, 0), MOST_DECIMALS)
    return number_format(Decimal(f"{value:.{digits}f}"), decimal_pos=digits)


@register.filter
def id_end(value: UUID) -> str:
    return str(value)[-show.SHORT_ID_LETTERS :]


@register.filter
def level_class(score: float | None) -> str:
    return "" if score is None else f"fill-{scoring.level(score)}"


@register.filter
def told(point: Any) -> str:
    """A point of a timeline in words, for its title and for screen readers."""
    payment = point.payment
    words = [
        f"{payment.txn_date.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        f"{number_format(payment.amount, decimal_pos=2, force_grouping=True)} {payment.currency}",
        payment.merchant_id or "",
        _("score %(score)s") % {"score": show.points(point.score)} if point.score is not None else "",
        _("in this case") if point.is_marked else "",
    ]
    return ", ".join(word for word in words if word)
