"""Nothing is public but what is named here: every address is asked for by nobody in particular."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django.fixtures import Settings

from tests.api import problem, reader

pytestmark = pytest.mark.django_db
METHODS = ("get", "post", "put", "patch", "delete", "options")
# The address of each, and what GET answers somebody unknown. A new address below /api/ must be added.
API = {
    "api/v1/transactions/": 401,
    "api/v1/transactions/bulk/": 401,
    "api/v1/transactions/export/": 401,
    "api/v1/transactions/<uuid:id>/": 401,
    "api/v1/transactions/<uuid:id>/explanation/": 401,
    "api/v1/users/": 401,
    "api/v1/users/<uuid:user_id>/": 401,
    "api/v1/anomalies/": 401,
    "api/v1/anomalies/export/": 401,
    "api/v1/anomalies/<uuid:transaction_id>/": 401,
    "api/v1/cases/": 401,
    "api/v1/cases/export/": 401,
    "api/v1/cases/next/": 401,
    "api/v1/cases/<uuid:id>/": 401,
    "api/v1/cases/<uuid:id>/claim/": 401,
    "api/v1/cases/<uuid:id>/close/": 401,
    "api/v1/cases/<uuid:id>/release/": 401,
    "api/v1/verdicts/": 401,
    "api/v1/verdicts/export/": 401,
    "api/v1/webhooks/": 401,
    "api/v1/webhooks/<uuid:id>/": 401,
    "api/v1/webhooks/<uuid:id>/replay/": 401,
    "api/v1/webhooks/<uuid:id>/rotate/": 401,
    "api/v1/webhooks/<uuid:id>/test/": 401,
    "api/v1/webhook-deliveries/": 401,
    "api/v1/webhook-deliveries/<uuid:id>/": 401,
    "api/v1/webhook-deliveries/<uuid:id>/replay/": 401,
    "api/v1/stream/": 401,
    "api/schema/": 401,
    "api/docs/": 302,
    "^api/": 401,
}
PUBLIC = ("/livez", "/readyz")
# The way in and out; and the translations of Django's own scripts.
OPEN_ADMIN = ("admin/login/", "admin/logout/", "admin/jsi18n/")


def routes(patterns: Any = None, before: str = "") -> Iterator[str]:
    for one in get_resolver().url_patterns if patterns is None else patterns:
        route = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from routes(one.url_patterns, route)
        elif isinstance(one, URLPattern):
            yield route


def address(route: str) -> str:
    """An address that the route takes."""
    plain = re.sub(r"<uuid:\w+>", str(UUID(int=7)), route)
    plain = re.sub(r"<[^>]+>", "1", plain)
    plain = plain.replace("(?P1.*)$", "x").replace("(?P1anomalies", "(?:anomalies")
    return "/" + re.sub(r"\(\?[^)]*?\b(\w+)\)", r"\1", plain).replace("^", "").replace("$", "")


def test_every_address_of_the_api_is_in_the_table() -> None:
    assert [route for route in routes() if not route.startswith("admin/")] == list(API)


@pytest.mark.parametrize(("route", "status"), API.items())
def test_the_api_says_nothing_to_somebody_unknown(route: str, status: int) -> None:
    client = Client()
    for method in METHODS:
        response = getattr(client, method)(address(route))
        assert response.status_code == status
        if status == 302:
            assert response["Location"] == "/admin/login/?next=/api/docs/"
        else:
            assert problem(response, 401)["type"] == "urn:anomaly-server:problem:not_authenticated"
            assert response["WWW-Authenticate"] == 'Bearer realm="api"'


def test_every_other_address_sends_somebody_unknown_to_the_login() -> None:
    client = Client()
    for route in routes():
        if route in API or route.startswith(OPEN_ADMIN):
            continue
        response = client.get(address(route))
        assert response.status_code in (302, 301, 405), route
        if response.status_code == 302:
            assert response["Location"].startswith("/admin/login/"), route


@pytest.mark.parametrize("path", PUBLIC)
def test_probes_are_public(path: str) -> None:
    assert Client().get(path).status_code == 200


def test_schema_and_docs_are_public_where_the_setting_says_so(settings: Settings) -> None:
    settings.PUBLIC_DOCS = True
    for path in ("/api/schema/", "/api/docs/"):
        assert Client().get(path).status_code == 200
    problem(Client().get("/api/v1/transactions/"), 401)


def test_whoever_has_a_key_sees_schema_and_docs() -> None:
    client = reader()
    for path in ("/api/schema/", "/api/docs/"):
        assert client.get(path).status_code == 200
