"""What the audit log hears of logins, passwords and where a request comes from.

Django tells of logins by signals only; they are the one exception to having none.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from django.conf import settings
from django.contrib.auth import user_logged_in, user_logged_out, user_login_failed
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.password_validation import MinimumLengthValidator
from django.http import HttpRequest, HttpResponseBase

from anomalies import audit

# The request that is being answered, for what hears of a change but not of who asked for it.
REQUEST: ContextVar[HttpRequest | None] = ContextVar("request", default=None)


class Origin:
    """Lets the audit log know from which address a request comes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        address = audit.ADDRESS.set(request.META.get("REMOTE_ADDR", ""))
        current = REQUEST.set(request)
        try:
            return self.get_response(request)
        finally:
            REQUEST.reset(current)
            audit.ADDRESS.reset(address)


class MinimumLength(MinimumLengthValidator):
    """Django tells the validators of every password that is set, whichever way; this one passes it on."""

    def password_changed(self, _password: str, user: AbstractBaseUser | None = None) -> None:
        if user is not None:
            audit.write("account.password_set", by=_asking(), subject=user.get_username())


def listen() -> None:
    """From now on logins, logouts and failures are written down. Called once, when the server has been set up."""
    user_logged_in.connect(_logged_in, dispatch_uid="audit")
    user_logged_out.connect(_logged_out, dispatch_uid="audit")
    user_login_failed.connect(_login_failed, dispatch_uid="audit")


def _logged_in(user: AbstractBaseUser, **_: Any) -> None:
    audit.write("account.logged_in", by=user, subject=user.get_username())


def _logged_out(user: AbstractBaseUser | None, **_: Any) -> None:
    if user is not None:
        audit.write("account.logged_out", by=user, subject=user.get_username())


def _login_failed(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    # django-axes counted this failure just before. Whoever goes on while locked out must not fill a log that
    # nothing is ever deleted from.
    failures = getattr(request, "axes_failures_since_start", None)
    if failures is not None and failures > settings.AXES_FAILURE_LIMIT:
        return
    note = "Locked out." if failures == settings.AXES_FAILURE_LIMIT else ""
    audit.write("account.login_failed", by=None, subject=str(credentials.get("username", "")), note=note)


def _asking() -> audit.Actor:
    request = REQUEST.get()
    user = getattr(request, "user", None)
    return user if user is not None and user.is_authenticated else None
