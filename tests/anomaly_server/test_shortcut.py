"""The API's way past the middleware for pages gives the very answers of the way through it."""

from typing import Any

import pytest
from django.conf import settings as project
from django.test import Client
from pytest_django.fixtures import Settings

from anomaly_server import pages
from tests.api import BASE, used_key
from transactions import scopes

pytestmark = pytest.mark.django_db
OWN = ("X-Request-ID", "RateLimit")
ASKED = (
    ("GET", "transactions/", {}),
    ("GET", "transactions/?limit=0", {}),
    ("GET", "transactions", {}),
    ("GET", "nothing/", {}),
    ("HEAD", "transactions/", {}),
    ("PUT", "transactions/", {}),
    ("POST", "transactions/", {}),
    ("GET", "transactions/", {"HTTP_AUTHORIZATION": ""}),
    ("GET", "transactions/export/?format=csv", {}),
)


@pytest.fixture
def client() -> Client:
    return Client(headers={"Authorization": f"Bearer {used_key(*scopes.ALL)}"}, raise_request_exception=False)


def told(client: Client, method: str, path: str, more: dict[str, str], *, secure: bool) -> Any:
    found: Any = client.generic(method, BASE + path, secure=secure, **more)  # type: ignore[arg-type]
    body = b"".join(found.streaming_content) if found.streaming else found.content
    headers = {name: value for name, value in found.headers.items() if name not in OWN}
    return found.status_code, headers, body.replace(found["X-Request-ID"].encode(), b"")


def through(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on nobody takes the shortcut."""
    monkeypatch.setattr(pages, "is_api_without_session", lambda _request: False)


@pytest.mark.parametrize("asked", ASKED, ids=str)
@pytest.mark.parametrize("secure", [False, True])
def test_both_ways_answer_the_same(
    client: Client, asked: tuple[str, str, dict[str, str]], secure: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = told(client, *asked, secure=secure)
    through(monkeypatch)
    assert told(client, *asked, secure=secure) == past
    assert past[1]["Content-Security-Policy"] == pages.POLICY
    assert past[1]["X-Content-Type-Options"] == "nosniff"
    assert past[1]["X-Frame-Options"] == "DENY"


def test_by_another_name_than_ours_nobody_gets_in(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("GET", "transactions/", {"HTTP_HOST": "elsewhere.example"})
    status, headers, body = told(client, *asked, secure=False)
    assert status == 400
    assert headers["Content-Security-Policy"] == pages.POLICY
    through(monkeypatch)
    other_status, other_headers, other_body = told(client, *asked, secure=False)
    assert (other_status, other_body) == (status, body)
    assert other_headers.items() <= headers.items()


def test_both_are_sent_to_https(settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 60
    for _ in range(2):
        assert told(client, "GET", "transactions/", {}, secure=False)[0] == 301
        found = told(client, "GET", "transactions/", {}, secure=True)
        assert found[1]["Strict-Transport-Security"] == "max-age=60"
        through(monkeypatch)


def test_only_requests_without_a_session_take_it(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []
    checked = pages.Shortcut.checked

    def noted(self: pages.Shortcut, request: Any) -> Any:
        taken.append(request.path)
        return checked(self, request)

    monkeypatch.setattr(pages.Shortcut, "checked", noted)
    client.get(f"{BASE}transactions/")
    client.get("/admin/login/")
    client.cookies[project.SESSION_COOKIE_NAME] = "none"
    client.get(f"{BASE}transactions/")
    assert taken == [f"{BASE}transactions/"]
