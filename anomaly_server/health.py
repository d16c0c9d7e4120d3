"""/livez: the process answers. /readyz: it can serve, because the database answers and has all migrations.

/metrics, too, is answered here: see `metrics`.
"""

from collections.abc import Callable
from http import HTTPStatus

import structlog
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse

from anomaly_server import metrics

log = structlog.get_logger(__name__)


class Health:
    """Answers before every other middleware: a probe comes by address and without TLS."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.answers: dict[str, Callable[[HttpRequest], HttpResponse]] = {
            "/livez": live,
            "/readyz": Readiness(),
            "/metrics": metrics.answer,
        }

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answer = self.answers.get(request.path_info)
        if answer is None:
            return self.get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponse(status=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET, HEAD"})
        response = answer(request)
        response["Cache-Control"] = "no-store"
        return response


def live(_request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "ok"})


class Readiness:
    """Says what is missing, in one word: details are for the log, because anybody may ask."""

    def __init__(self) -> None:
        # Reading all migrations takes a while, and one that is applied stays so.
        self.migrated = False

    def __call__(self, _request: HttpRequest | None = None) -> HttpResponse:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            self.migrated = self.migrated or not _missing_migrations()
        except DatabaseError as error:
            log.warning("not_ready", error=str(error).partition("\n")[0])
            return _unready("database")
        return JsonResponse({"status": "ok"}) if self.migrated else _unready("migrations")


def _missing_migrations() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _unready(what: str) -> HttpResponse:
    return JsonResponse({"status": "unavailable", "waiting_for": what}, status=HTTPStatus.SERVICE_UNAVAILABLE)
