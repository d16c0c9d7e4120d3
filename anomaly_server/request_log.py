"""Each request has an id, one line in the log, and its place in the metrics.

The line holds no address, query or body: there are persons' ids in them.
"""

import re
from collections.abc import Callable
from http import HTTPStatus
from time import perf_counter

import structlog
from django.http import HttpRequest, HttpResponseBase
from structlog.contextvars import bind_contextvars, clear_contextvars
from uuid_utils import uuid7

from anomaly_server import metrics

log = structlog.stdlib.get_logger(__name__)

HEADER = "X-Request-ID"
# What a caller's own id may be: it goes into the log, the answer and other systems.
SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", re.ASCII)


class RequestLog:
    """Goes before all that may write to the log: every line of a request tells its id."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = perf_counter()
        request_id = id_of(request)
        bind_contextvars(request_id=request_id)
        try:
            response = self.get_response(request)
            response.headers[HEADER] = request_id
            # By our line: Django would write another one, with the query, for each answer from 400 on.
            response._has_been_logged = True  # type: ignore[attr-defined]
            self.tell(request, response.status_code, perf_counter() - began)
        finally:
            # The thread goes on to other requests.
            clear_contextvars()
        return response

    def tell(self, request: HttpRequest, status: int, seconds: float) -> None:
        """A streamed answer is told when it begins."""
        match = request.resolver_match
        route = match.route if match else ""
        metrics.note_request(request.method or "", route, status, seconds)
        level = "error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "info"
        line = getattr(log, level)
        line("request", method=request.method, route=route, status=status, ms=round(seconds * 1000, 1))


def id_of(request: HttpRequest) -> str:
    """The caller's own id if it is a sane one, or a new one."""
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    return given if SANE.fullmatch(given) else str(uuid7())
