"""JSON as the API writes it: money as strings, times in UTC with a Z, unknown as null."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson
from django.utils.functional import Promise
from rest_framework.renderers import BaseRenderer

OPTIONS = orjson.OPT_UTC_Z


def dumps(data: object) -> bytes:
    return orjson.dumps(data, default=_plain, option=OPTIONS)


def _plain(value: object) -> object:
    """What orjson does not know by itself. A Decimal never becomes a float."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Promise):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


class JSONRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, *_: object) -> bytes:
        return b"" if data is None else dumps(data)
