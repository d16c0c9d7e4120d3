"""Django's middleware for pages, which the API passes by: together it takes longer than a page of 100 rows.

A key needs no session, message, login form or policy for scripts. Who is logged in brings a session cookie, and may
use the API with it: then sessions and accounts are looked up as for a page. DRF itself checks the CSRF token.
"""

from collections.abc import Callable
from typing import Any

from csp.middleware import CSPMiddleware
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
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
