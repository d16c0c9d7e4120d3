"""From whatever a view raises to a problem document."""

from http import HTTPStatus
from typing import Any

import structlog
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.http import UnreadablePostError
from drf_standardized_errors.formatter import flatten_errors
from drf_standardized_errors.handler import ExceptionHandler
from psycopg.errors import QueryCanceled
from rest_framework import exceptions
from rest_framework.response import Response

from anomalies.api.problems import MEDIA_TYPE, Error, Refused, TookTooLong, Unavailable, document

log = structlog.get_logger(__name__)


class Handler(ExceptionHandler):
    """Turns whatever a view raises into a problem document; an unforeseen error is logged and says nothing."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        if isinstance(exc, IntegrityError):
            rule = _constraint(exc)
            return Refused("The database refuses this.", [Error("", rule, f"It would break the rule {rule}.")])
        if isinstance(exc, UnreadablePostError):
            return Refused("The body ended before it was whole.")
        if isinstance(exc, DataError):
            return Refused("The database cannot hold a value of this request.")
        if isinstance(exc, OperationalError | InterfaceError):
            log.error("database_unavailable", error=str(exc).partition("\n")[0])
            return TookTooLong() if isinstance(exc.__cause__, QueryCanceled) else Unavailable()
        known: Exception = super().convert_known_exceptions(exc)
        return known

    def report_exception(self, exc: exceptions.APIException, response: Response) -> None:
        # Somebody may try again: there is nothing to mend, and no trace of it in the log beside the request's line.
        if not isinstance(exc, Unavailable):
            super().report_exception(exc, response)

    def format_exception(self, exc: exceptions.APIException) -> dict[str, Any]:
        if isinstance(exc, Refused):
            return document(exc.status_code, exc.default_code, str(exc.detail), exc.errors)
        if isinstance(exc, exceptions.ValidationError):
            errors = [_error(one.attr, one.code, one.detail) for one in flatten_errors(exc.detail)]
            return document(exc.status_code, "invalid", "The request has errors.", errors)
        if exc.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(exc, Unavailable):
            return document(exc.status_code, "error", "Something went wrong on our side.")
        code = exc.get_codes()
        return document(exc.status_code, code if isinstance(code, str) else exc.default_code, str(exc.detail))

    def get_response(self, exc: exceptions.APIException, data: dict[str, Any]) -> Response:
        return Response(data, status=exc.status_code, headers=self.get_headers(exc), content_type=MEDIA_TYPE)


def _error(path: str | None, code: str, detail: str) -> Error:
    return Error("" if path in (None, "non_field_errors") else f"/{path}", code, detail)


def _constraint(error: IntegrityError) -> str:
    diagnosis = getattr(error.__cause__, "diag", None)
    return getattr(diagnosis, "constraint_name", None) or "constraint"
