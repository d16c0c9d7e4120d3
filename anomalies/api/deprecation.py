"""How a view says that something of it will go: an operation, or one of its parameters.

Declared in the viewset as `deprecations = {"list": Deprecation(...), "list?colour": Deprecation(...)}`: the answers
carry the headers of RFC 9745 and RFC 8594, and the schema says `deprecated`.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from django.utils.http import http_date


class Deprecation(NamedTuple):
    """Since when it is, where that is explained, and from when on it may be gone."""

    since: datetime
    link: str
    sunset: datetime | None = None


def headers(view: Any) -> Iterator[tuple[str, str]]:
    """What the answer of this view's action says; nothing for nearly all."""
    declared = getattr(view, "deprecations", None)
    if not declared:
        return
    action = getattr(view, "action", None)
    asked = [action, *(f"{action}?{name}" for name in getattr(view, "given", ()))]
    found = [declared[name] for name in asked if name in declared]
    if not found:
        return
    yield "Deprecation", f"@{int(min(one.since for one in found).timestamp())}"
    if sunsets := [one.sunset for one in found if one.sunset]:
        yield "Sunset", http_date(min(sunsets).timestamp())
    yield "Link", ", ".join(f'<{link}>; rel="deprecation"' for link in sorted({one.link for one in found}))
