"""How a number, an amount, an instant or an id is written for people."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

import scoring

LEVEL_NAMES = {"high": "High", "medium": "Medium", "low": "Low", "normal": "Normal"}
# How many of the three strokes of a badge are filled: the level is told by shape and word, not only by colour.
STROKES = {"high": 3, "medium": 2, "low": 1, "normal": 0}
SHORT_ID_LETTERS = 8
# A score of 100. Beyond it lies extrapolation, and exact numbers would promise too much.
RAREST_TOLD = 100_000
# From how long an age on the next larger unit reads better.
UNITS = (
    (timedelta(days=2), timedelta(days=1), "d"),
    (timedelta(hours=2), timedelta(hours=1), "h"),
    (timedelta(0), timedelta(minutes=1), "min"),
)


def whole(value: float) -> str:
    """1234 → 1,234."""
    return number_format(value, decimal_pos=0, force_grouping=True)


def points(score: float) -> str:
    """A score to one decimal, never rounded up into the next level."""
    return number_format(int(score * 10) / 10, decimal_pos=1)


def money(amount: Decimal, currency: str) -> SafeString:
    """An amount with its currency, which is set apart in print."""
    return format_html(
        '<span class="money">{} <span class="unit">{}</span></span>',
        number_format(amount, decimal_pos=2, force_grouping=True),
        currency,
    )


def level(score: float) -> SafeString:
    """The level as a badge: strokes, word and score."""
    name = scoring.level(score)
    strokes = SafeString('<i class="on"></i>') * STROKES[name] + SafeString("<i></i>") * (3 - STROKES[name])
    return format_html(
        '<span class="level level-{}"><span class="strokes" aria-hidden="true">{}</span><span class="word">{}</span>'
        ' <b class="points">{}</b></span>',
        name,
        SafeString(strokes),
        _(LEVEL_NAMES[name]),
        points(score),
    )


def rarity(one_in: float) -> str:
    """How many transactions there are for one as strange as this; vague where no reference has seen as many."""
    if one_in > RAREST_TOLD:
        return _("rarer than 1 in %(many)s") % {"many": whole(RAREST_TOLD)}
    return _("1 in %(many)s") % {"many": whole(one_in)}


def short_id(value: UUID | str) -> SafeString:
    """The end of an id, which differs even where time makes its beginning; the whole of it on hover."""
    text = str(value)
    return format_html('<span class="id" title="{}">…{}</span>', text, text[-SHORT_ID_LETTERS:])


def user_link(user_id: UUID) -> SafeString:
    """A user's short id, leading to the user's page."""
    return format_html('<a class="link" href="{}">{}</a>', reverse("console_user", args=[user_id]), short_id(user_id))


def moment(value: datetime) -> SafeString:
    """An instant to the minute, in UTC; to the second on hover."""
    at = value.astimezone(UTC)
    return format_html(
        '<time class="moment" datetime="{}" title="{} UTC">{}</time>',
        at.isoformat(),
        at.strftime("%Y-%m-%d %H:%M:%S"),
        at.strftime("%Y-%m-%d %H:%M"),
    )


def span(value: timedelta) -> str:
    """A length of time in the unit that fits: 5 min, 3 h, 12 d."""
    for least, unit, name in UNITS:
        if value >= least:
            return f"{whole(value // unit)} {name}"
    return f"0 {UNITS[-1][2]}"
