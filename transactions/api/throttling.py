"""The limit of a key, as DRF asks for it, and as RateLimit headers tell it."""

from math import ceil

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from transactions import limits
from transactions.models import ApiKey


class KeyLimit(BaseThrottle):
    """Requests a minute of one key; people who are logged in have none."""

    ends_in = 0.0

    def allow_request(self, request: Request, _view: object) -> bool:
        key = request.auth
        if not isinstance(key, ApiKey):
            return True
        limit = settings.API_RATE_LIMIT if key.rate_limit is None else key.rate_limit
        if not limit:
            return True
        passes, left, self.ends_in = limits.ask(key.prefix, limit)
        # As the IETF's draft "RateLimit header fields for HTTP" has them.
        request._request.rate_limit = {  # type: ignore[attr-defined]
            "RateLimit-Policy": f'"key";q={limit};w={limits.MINUTE_S}',
            "RateLimit": f'"key";r={left};t={ceil(self.ends_in)}',
        }
        return passes

    def wait(self) -> float:
        return self.ends_in
