"""The API passes Django's middleware for pages by, and what they were there for holds all the same."""

import pytest
from django.conf import settings
from django.test import Client

from tests.api import BASE, problem, reader
from tests.factories import AnalystFactory

pytestmark = pytest.mark.django_db
LIST = BASE + "users/"


def test_an_answer_of_the_api_lets_a_browser_do_nothing_with_it() -> None:
    response = reader().get(LIST)
    assert response["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"


def test_a_key_gets_no_cookie_and_a_session_serves_as_before() -> None:
    assert not reader().get(LIST).cookies
    client = Client()
    client.force_login(AnalystFactory())
    assert client.get(LIST).status_code == 200
    client.cookies[settings.SESSION_COOKIE_NAME] = "made-up"
    problem(client.get(LIST), 401)


def test_pages_keep_their_own_policy() -> None:
    assert "script-src" in Client().get("/admin/login/")["Content-Security-Policy"]
