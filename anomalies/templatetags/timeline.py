"""What the picture of a timeline needs of its numbers."""

from datetime import UTC
from typing import Any

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext as _

import scoring
from anomalies import show

register = template.Library()


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
