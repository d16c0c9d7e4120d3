"""`Authorization: Bearer <key>`."""

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from structlog.contextvars import bind_contextvars

from anomalies.guard import Guard
from transactions import keys
from transactions.models import ApiKey

SCHEME = "Bearer"


class KeyAuthentication(BaseAuthentication):
    """Makes the key's owner the request's user, and the key its `auth`."""

    def authenticate(self, request: Request) -> tuple[object, ApiKey] | None:
        scheme, _, text = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != SCHEME.lower():
            return None
        text = text.strip()
        key = _guarded(text, request) if getattr(request.parser_context["view"], "takes_guard", False) else None
        if key is None:
            key = _found(text)
        bind_contextvars(key=key.prefix)
        return key.owner, key

    def authenticate_header(self, *_: object) -> str:
        return f'{SCHEME} realm="api"'


def _found(text: str) -> ApiKey:
    try:
        key = keys.find(text)
    except keys.NotValid:
        raise AuthenticationFailed("This API key is not valid.") from None
    keys.note_use(key)
    return key


def _guarded(text: str, request: Request) -> ApiKey | None:
    """The key as it was seen last, to be checked with what is asked."""
    key = keys.seen(text)
    if key is not None:
        needed = None if request.method in SAFE_METHODS else request.parser_context["view"].write_permission
        key.guard = Guard(*keys.unchanged(key, needed), lambda: _renewed(text), covers=needed)
    return key


def _renewed(text: str) -> tuple[object, ApiKey]:
    key = _found(text)
    return key.owner, key


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the schema describes it."""

    target_class = KeyAuthentication
    name = "apiKey"

    def get_security_definition(self, *_: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API key, made with `manage.py api_key create`."}
