"""What the templates of the queue need."""

from django import template

from anomalies import show

register = template.Library()


@register.filter
def capped(value: tuple[int, bool]) -> str:
    """A count that went on up to a bound: “1,234” or “10,000+”."""
    rows, is_exact = value
    return show.whole(rows) if is_exact else f"{show.whole(rows)}+"
