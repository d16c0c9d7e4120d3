"""What will go is told: in the answers' headers and in the schema. On a view of this test's own: nothing is old yet."""

from datetime import UTC, datetime
from http import HTTPStatus
from types import ModuleType
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from pytest_django.fixtures import Settings

from anomalies.api.base import Router
from anomalies.api.deprecation import Deprecation
from anomalies.api.views import VerdictViewSet
from tests.api import reader

pytestmark = pytest.mark.django_db
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
SUNSET = datetime(2027, 1, 1, tzinfo=UTC)
LINK = "https://anomaly.example.com/docs/changes"


class OldViewSet(VerdictViewSet):
    """Its list is deprecated and has an end, its parameter `value` longer so, and without an end."""

    deprecations = {
        "list": Deprecation(SINCE, LINK, SUNSET),
        "list?value": Deprecation(SINCE.replace(year=2025), f"{LINK}#value"),
    }


@pytest.fixture
def urls(settings: Settings) -> ModuleType:
    router = Router()
    router.register("old", OldViewSet, "old")
    router.register("verdicts", VerdictViewSet, "verdict")
    module: Any = ModuleType("urls_with_something_old")
    # The console too: whoever asks first has the server look up where that is.
    module.urlpatterns = [*router.urls, path("admin/", admin.site.urls)]
    settings.ROOT_URLCONF = module
    return module


def told(client: Client, address: str) -> dict[str, str]:
    response = client.get(address)
    assert response.status_code == HTTPStatus.OK
    return {name: response[name] for name in ("Deprecation", "Sunset", "Link") if name in response}


def test_the_answers_of_an_old_operation_say_since_when_and_until_when(urls: ModuleType) -> None:
    assert told(reader(), "/old/") == {
        "Deprecation": "@1767225600",
        "Sunset": "Fri, 01 Jan 2027 00:00:00 GMT",
        "Link": f'<{LINK}>; rel="deprecation"',
    }


def test_an_old_parameter_says_so_where_it_is_given(urls: ModuleType) -> None:
    assert told(reader(), "/old/?value=fraud") == {
        "Deprecation": "@1735689600",
        "Sunset": "Fri, 01 Jan 2027 00:00:00 GMT",
        "Link": f'<{LINK}>; rel="deprecation", <{LINK}#value>; rel="deprecation"',
    }


def test_what_is_not_old_says_nothing(urls: ModuleType) -> None:
    assert told(reader(), "/verdicts/?value=fraud") == {}


def test_the_schema_says_what_is_old(urls: ModuleType) -> None:
    generator: Any = SchemaGenerator(patterns=urls.urlpatterns)  # type: ignore[attr-defined]
    paths = generator.get_schema(request=None, public=True)["paths"]
    assert paths["/old/"]["get"]["deprecated"] is True
    assert "deprecated" not in paths["/verdicts/"]["get"]
    assert [one["name"] for one in paths["/old/"]["get"]["parameters"] if one.get("deprecated")] == ["value"]
