"""Words, numbers and durations of sentences, in the language of whoever reads them."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import lru_cache

from django.utils import translation
from django.utils.formats import get_format, number_format

HOURS_IN_A_DAY = 24
MINUTES_IN_A_DAY = 1440


class _Reader(threading.local):
    """Who is being told something: to ask Django for his language takes longer than to write a number."""

    language: str | None = None


_reader = _Reader()


@contextmanager
def one_language() -> Iterator[None]:
    """What is written in the block is for one reader, whose language is asked for once."""
    _reader.language = translation.get_language()
    try:
        yield
    finally:
        _reader.language = None


def _(message: str) -> str:
    return _translated(_reader.language, message) if _reader.language else translation.gettext(message)


def ngettext(singular: str, plural: str, number: int) -> str:
    if not _reader.language:
        return translation.ngettext(singular, plural, number)
    return _translated_number(_reader.language, singular, plural, number)


@lru_cache(maxsize=1024)
def _translated(_language: str, message: str) -> str:
    """Into the language, which is the reader's now. From a catalogue it takes as long as the rest of a sentence."""
    return translation.gettext(message)


@lru_cache(maxsize=4096)
def _translated_number(_language: str, singular: str, plural: str, number: int) -> str:
    return translation.ngettext(singular, plural, number)


def money(amount: float, currency: str) -> str:
    return f"{plain(amount, 2)} {currency}"


def plain(value: float, digits: int = 1) -> str:
    """The number with so many decimals, grouped as the reader's language does."""
    signs = separators(_reader.language or translation.get_language())
    if signs is None:
        # Rounded here: number_format cuts digits off.
        return number_format(Decimal(f"{value:.{digits}f}"), decimal_pos=digits, force_grouping=True)
    # z: what rounds to 0 has no sign.
    text = f"{value:z,.{digits}f}"
    return text.translate(signs) if signs else text


@lru_cache
def separators(language: str | None) -> dict[int, str] | None:
    """What Python's comma and point are in the language, where others; None where digits are not grouped by three.

    An answer has some twenty numbers, and number_format takes ten times as long for one.
    """
    if get_format("NUMBER_GROUPING", language) != 3:
        return None
    signs = {",": get_format("THOUSAND_SEPARATOR", language), ".": get_format("DECIMAL_SEPARATOR", language)}
    return {ord(ours): theirs for ours, theirs in signs.items() if ours != theirs}


def count(value: float) -> str:
    return plain(value, 0)


def expectation(value: float) -> str:
    """A number that may be far below 1, with at least two digits that are not 0."""
    return plain(value, 2 if value >= 0.1 or value <= 0 else 1 - math.floor(math.log10(value)))


def window(hours: float) -> str:
    """How a sentence speaks of the last so many hours."""
    if hours == 1:
        return _("hour")
    if hours == HOURS_IN_A_DAY:
        return _("day")
    return _("%(days)s days") % {"days": count(hours / HOURS_IN_A_DAY)}


def pause(days: float) -> str:
    """How long that is, in the largest unit of which it is one or more."""
    if days >= 1:
        return _("%(days)s days") % {"days": plain(days)}
    if days * HOURS_IN_A_DAY >= 1:
        return _("%(hours)s hours") % {"hours": plain(days * HOURS_IN_A_DAY)}
    return _("%(minutes)s minutes") % {"minutes": plain(days * MINUTES_IN_A_DAY)}
