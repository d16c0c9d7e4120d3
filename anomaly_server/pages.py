"""Django's middleware for pages, which the API passes by: together it takes longer than a page of 100 rows.

A key needs no session, message, login form or policy for scripts: `Shortcut` leads past all of it. Who is logged in
brings a session cookie, and may use the API with it: then sessions and accounts are looked up as for a page. DRF
itself checks the CSRF token.
"""

from collections.abc import Callable
from typing import Any

from csp.middleware import CSPMiddleware
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.security import SecurityMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware

API = "/api/v1/"
# What a browser may do with an answer of the API that somebody opens as a page: nothing.
POLICY = "default-src 'none'; frame-ancestors 'none'"


def is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith(API)


def is_api_without_session(request: HttpRequest) -> bool:
    # The cookies are parsed for who has any.
    return is_api(request) and (
        "HTTP_COOKIE" not in request.META or settings.SESSION_COOKIE_NAME not in request.COOKIES
    )


class Landing:
    """The last middleware: lets `Shortcut` know what comes behind it."""

    inside: Callable[[HttpRequest], Any]

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        # Django makes middleware from the last one to the first, whose turn is next.
        Landing.inside = staticmethod(get_response)

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request)


class Shortcut:
    """Goes before all middleware for pages: leads the API's requests past it, for all that they need of it is here."""

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.inside = Landing.inside
        self.security = SecurityMiddleware(get_response)
        self.common = CommonMiddleware(get_response)
        self.frames = XFrameOptionsMiddleware(get_response)
        # What it raises for a host that is not ours becomes an answer with the headers of all others.
        self.answered = convert_exception_to_response(self.checked)

    def __call__(self, request: HttpRequest) -> Any:
        if not is_api_without_session(request):
            return self.get_response(request)
        response: Any = self.security.process_request(request) or self.answered(request)
        response.headers["Content-Security-Policy"] = POLICY
        self.frames.process_response(request, response)
        return self.security.process_response(request, response)

    def checked(self, request: HttpRequest) -> Any:
        response: Any = self.common.process_request(request) or self.inside(request)
        return self.common.process_response(request, response)


class PassedBy:
    """Goes before a middleware of Django's: lets the API's requests pass it by."""

    get_response: Callable[..., Any]
    passes: Callable[[HttpRequest], bool] = staticmethod(is_api)

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request) if self.passes(request) else super().__call__(request)  # type: ignore[misc]


class Statics(PassedBy, WhiteNoiseMiddleware):  # type: ignore[misc]
    """Static files."""


class Sessions(PassedBy, SessionMiddleware):
    passes = staticmethod(is_api_without_session)


class Accounts(PassedBy, AuthenticationMiddleware):
    passes = staticmethod(is_api_without_session)


class Messages(PassedBy, MessageMiddleware):
    """What a page says of the last form."""


class ContentPolicy(CSPMiddleware):
    """The policy for pages, and a constant one for the API."""

    def __call__(self, request: HttpRequest) -> Any:
        if not is_api(request):
            return super().__call__(request)
        response: Any = self.get_response(request)
        response["Content-Security-Policy"] = POLICY
        return response
