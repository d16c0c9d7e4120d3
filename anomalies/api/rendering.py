"""JSON as the API writes it: money as strings, times in UTC with a Z, unknown as null."""

from collections.abc import Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import orjson
from django.http import HttpResponse
from django.utils.functional import Promise
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response

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


class Answer(Response):
    """A Response that is written at once, for what is asked often.

    A Response as such keeps the data, a renderer and a template's attributes until it is asked for JSON, which takes
    longer than to write it. The answer is the same, because there is one renderer.
    """

    def __init__(self, data: object, *, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> None:
        written = dumps(data)
        HttpResponse.__init__(self, written, content_type=JSONRenderer.media_type, status=status, headers=headers)
        self.data, self.exception = data, False


class JSONRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, *_: object) -> bytes:
        return b"" if data is None else dumps(data)
