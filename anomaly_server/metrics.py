"""/metrics in Prometheus' words: what the server's processes counted, and what the database says now."""

import os
from collections.abc import Iterator
from hmac import compare_digest
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from time import monotonic

import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

SQL = Path(__file__).parent / "sql"
log = structlog.get_logger(__name__)

# Any other method is one: each is kept, and whoever may ask could invent as many as he likes.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REQUESTS = Histogram(
    "http_request_duration_seconds",
    "From the request to the beginning of its answer, by the address's template.",
    ["method", "route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
POOL = Gauge(
    "database_pool_connections",
    "Connections to the database, of all processes of the server, and the requests that wait for one.",
    ["state"],
    multiprocess_mode="livesum",
)
# Each state with its name in psycopg's pool.
POOL_STATES = {"open": "pool_size", "idle": "pool_available", "waited_for": "requests_waiting"}
POOL_TOLD_EVERY_S = 1.0
# A proxy on this machine asks from this machine too, but for somebody else.
OF_PROXIES = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_REAL_IP", "HTTP_FORWARDED", "HTTP_VIA")
# Each name with its help and a query of one number; NULL for none.
ASKED = {
    "pending_users": ("Users with transactions that wait to be scored.", "SELECT count(*) FROM pending_scores"),
    "reference_age_seconds": (
        "Since when the newest reference has ended.",
        "SELECT extract(epoch FROM now() - max(until))::float8 FROM scoring_references",
    ),
    "webhook_lag_seconds": (
        "How long the oldest event has waited of which an enabled webhook endpoint is still to hear.",
        (SQL / "webhook_lag.sql").read_text(),
    ),
    "webhook_deliveries_waiting": (
        "Deliveries that wait at enabled webhook endpoints, counted up to 100,000.",
        (SQL / "webhook_waiting.sql").read_text(),
    ),
}


class _Pool:
    """Tells the metrics of this process's pool, now and then: reading it costs more than noting a request."""

    told_at = 0.0

    def tell(self) -> None:
        now = monotonic()
        if now - self.told_at < POOL_TOLD_EVERY_S:
            return
        self.told_at = now
        # Not by asking for the pool, which would make one.
        pool = connection._connection_pools.get(connection.alias)  # type: ignore[attr-defined]
        stats = pool.get_stats() if pool else {}
        for state, name in POOL_STATES.items():
            POOL.labels(state).set(stats.get(name, 0))


_pool = _Pool()


def note_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count an answered request."""
    REQUESTS.labels(method if method in METHODS else "other", route, status).observe(seconds)
    _pool.tell()


class FromDatabase(Collector):
    """What the database says when it is asked, and whether it answers at all."""

    def collect(self) -> Iterator[Metric]:
        found = {}
        try:
            with connection.cursor() as cursor:
                for name, (_help, query) in ASKED.items():
                    cursor.execute(query)
                    (found[name],) = cursor.fetchone()
        except DatabaseError as error:
            log.warning("metrics_without_database", error=str(error).partition("\n")[0])
        yield GaugeMetricFamily("database_up", "1 if the database answers.", value=len(found) == len(ASKED))
        for name, value in found.items():
            if value is not None:
                yield GaugeMetricFamily(name, ASKED[name][0], value=value)


def answer(request: HttpRequest) -> HttpResponse:
    """The metrics, for whoever may read them."""
    if not may_read(request):
        wants = {"WWW-Authenticate": 'Bearer realm="metrics"'}
        return HttpResponse("Not for you.\n", "text/plain", HTTPStatus.UNAUTHORIZED, headers=wants)
    return HttpResponse(generate_latest(_registry()), CONTENT_TYPE_LATEST)


def may_read(request: HttpRequest) -> bool:
    """With METRICS_TOKEN who sends it; without one who asks from this machine, by one of its names, and no proxy."""
    token = settings.METRICS_TOKEN
    if token:
        given = request.META.get("HTTP_AUTHORIZATION", "")
        return compare_digest(given.encode(), f"Bearer {token}".encode())
    request.get_host()  # A page in a browser here may reach us by a name of its own: that one is refused.
    return is_loopback(request.META.get("REMOTE_ADDR", "")) and not any(name in request.META for name in OF_PROXIES)


def is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _registry() -> CollectorRegistry:
    """Everything to tell: of all processes where gunicorn has made a folder for them to share (see gunicorn.py)."""
    registry = CollectorRegistry()
    registry.register(FromDatabase())
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(REGISTRY)
    return registry
