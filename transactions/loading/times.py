"""Times without an offset: what instant a local clock meant.

When clocks are set back an hour happens twice, and the first of the two is taken. When they are set forward an
hour does not happen at all: a time in it is refused, because it shows that the zone or the clock was another.
"""

import re
from collections.abc import Callable
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from transactions.loading.failures import usage

_LOCAL = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2})(:[0-9]{2}(?:\.[0-9]+)?)?").fullmatch


class NoSuchTime(Exception):
    """A local time that the zone's clocks passed over."""


@cache
def zone(name: str) -> ZoneInfo | None:
    """The zone of that name, None for "". Raises LoadFailed (usage) for a name that is no zone."""
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise usage(f"--timezone {name}: there is no such zone. Write one such as Europe/Berlin or UTC.") from error


def with_offset(zone: ZoneInfo) -> Callable[[str], str]:
    """A function that appends the zone's offset to a time that has none, and leaves any other text as it is.

    It raises NoSuchTime.
    """
    if zone.key in ("UTC", "Etc/UTC"):
        return _with_z

    def convert(text: str) -> str:
        found = _LOCAL(text)
        if not found:
            return text
        written = f"{found[1]}T{found[2]}{found[3] or ':00'}"
        try:
            first = datetime.fromisoformat(written).replace(tzinfo=zone)
        except ValueError:
            return f"{written}Z"  # on no calendar, whatever the zone: the law for a row says so
        offset, later = first.utcoffset(), first.replace(fold=1).utcoffset()
        if offset is None or later is None or offset < later:
            raise NoSuchTime(text)
        return written + _written(round(offset.total_seconds()))

    return convert


def _with_z(text: str) -> str:
    found = _LOCAL(text)
    return f"{found[1]}T{found[2]}{found[3] or ':00'}Z" if found else text


def _written(offset_s: int) -> str:
    sign, minutes = "-" if offset_s < 0 else "+", abs(offset_s) // 60
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"
