"""Errors as RFC 9457 problem documents: the one shape in which the API says no."""

import sys
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, NamedTuple

import orjson
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.views import defaults
from rest_framework import exceptions
from structlog.contextvars import get_contextvars

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:anomaly-server:problem:"
# Seconds after which a client may try again while the database is away.
RETRY_AFTER_S = 5


class Error(NamedTuple):
    """One fault: a JSON pointer into the body ("/amount") or a parameter's name, a stable code, a sentence."""

    pointer: str
    code: str
    detail: str


class Refused(exceptions.APIException):
    """A 4xx with as many errors as were found."""

    status_code = HTTPStatus.BAD_REQUEST
    default_code = "invalid"

    def __init__(self, detail: str, errors: Iterable[Error] = ()) -> None:
        super().__init__(detail)
        self.errors = tuple(errors)


class Conflict(Refused):
    status_code = HTTPStatus.CONFLICT
    default_code = "conflict"


class TooLarge(Refused):
    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


class LengthRequired(Refused):
    status_code = HTTPStatus.LENGTH_REQUIRED
    default_code = "length_required"


class Unavailable(exceptions.APIException):
    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "unavailable"
    default_detail = "The database does not answer at the moment. Try again."
    wait = RETRY_AFTER_S


class TookTooLong(Unavailable):
    default_code = "timed_out"
    default_detail = "The database would have taken too long for this. Ask for less, or try again."


def document(status: int, code: str, detail: str, errors: Iterable[Error] = ()) -> dict[str, Any]:
    """The problem document; `type` ends in a stable code that programs may rely on."""
    return {
        "type": TYPE + code,
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "errors": [error._asdict() for error in errors],
        # As in the answer's X-Request-ID and in our log: what to tell us.
        "request_id": get_contextvars().get("request_id", ""),
    }


def pointer(field: str) -> str:
    """The JSON pointer (RFC 6901) to a field of the body; "" is the whole body."""
    return "/" + field.replace("~", "~0").replace("/", "~1") if field else ""


def answer(status: int, code: str, detail: str) -> HttpResponse:
    """A problem outside of any API view: unknown address, unreadable request, failed middleware."""
    return HttpResponse(orjson.dumps(document(status, code, detail)), status=status, content_type=MEDIA_TYPE)


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_api(request):
        return answer(HTTPStatus.BAD_REQUEST, "bad_request", "The request cannot be read.")
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_api(request):
        return answer(HTTPStatus.FORBIDDEN, "permission_denied", "You may not do this.")
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_api(request):
        return answer(HTTPStatus.NOT_FOUND, "not_found", "There is nothing at this address.")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    if isinstance(sys.exception(), OperationalError | InterfaceError):
        return _unavailable(request)
    if _is_api(request):
        return answer(HTTPStatus.INTERNAL_SERVER_ERROR, "error", "Something went wrong on our side.")
    return defaults.server_error(request)


def _unavailable(request: HttpRequest) -> HttpResponse:
    """The database is away, and a page or a middleware wanted it."""
    status = HTTPStatus.SERVICE_UNAVAILABLE
    if _is_api(request):
        response = answer(status, Unavailable.default_code, Unavailable.default_detail)
    else:
        response = HttpResponse(f"{Unavailable.default_detail}\n", "text/plain; charset=utf-8", status)
    response["Retry-After"] = str(RETRY_AFTER_S)
    return response
