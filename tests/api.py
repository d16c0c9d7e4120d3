"""Speaking to the API in tests: as whom, and what an error must look like."""

from http import HTTPStatus
from typing import Any

from django.test import Client
from django.utils import timezone

from tests.factories import AnalystFactory
from transactions import keys, scopes
from transactions.models import ApiKey

BASE = "/api/v1/"


def client_of(key: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {key}"}, raise_request_exception=False)


def reader() -> Client:
    """Somebody with a key that may read everything."""
    return client_of(used_key(*scopes.READ))


def writer() -> Client:
    """Somebody with a key that may write as well."""
    return client_of(used_key(*scopes.ALL))


def used_key(*may: str) -> str:
    """A key with these scopes that was just used: the first request of a minute writes that down, one query more."""
    key, text = keys.create(owner=AnalystFactory(is_superuser=True), name="test", scopes=may)
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=timezone.now())
    return text


def post(client: Client, path: str, body: Any) -> Any:
    """POST a JSON body: text and bytes as they are."""
    return client.post(BASE + path, body, content_type="application/json")


def results(client: Client, path: str, **parameters: object) -> list[dict[str, Any]]:
    """The rows of a list that answers 200."""
    response = client.get(BASE + path, parameters)
    assert response.status_code == HTTPStatus.OK, response.content
    found: list[dict[str, Any]] = response.json()["results"]
    return found


def problem(response: Any, status: int) -> dict[str, Any]:
    """The problem document of an error, which must have the one shape in which the API says no."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = response.json()
    assert found.keys() == {"type", "title", "status", "detail", "errors", "request_id"}
    assert (found["status"], found["title"]) == (status, HTTPStatus(status).phrase)
    assert found["type"].startswith("urn:anomaly-server:problem:")
    assert all(error.keys() == {"pointer", "code", "detail"} for error in found["errors"])
    return found


def faults(response: Any, status: int = HTTPStatus.BAD_REQUEST) -> list[tuple[str, str]]:
    """Where and what the errors of a refused request are."""
    return [(error["pointer"], error["code"]) for error in problem(response, status)["errors"]]
