"""`Authorization: Bearer <key>`."""

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from transactions import keys
from transactions.models import ApiKey

SCHEME = "Bearer"


class KeyAuthentication(BaseAuthentication):
    """Makes the key's owner the request's user, and the key its `auth`."""

    def authenticate(self, request: Request) -> tuple[object, ApiKey] | None:
        scheme, _, text = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != SCHEME.lower():
            return None
        try:
            key = keys.find(text.strip())
        except keys.NotValid:
            raise AuthenticationFailed("This API key is not valid.") from None
        keys.note_use(key)
        return key.owner, key

    def authenticate_header(self, *_: object) -> str:
        return f'{SCHEME} realm="api"'


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the schema describes it."""

    target_class = KeyAuthentication
    name = "apiKey"

    def get_security_definition(self, *_: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API key, made with `manage.py api_key create`."}
