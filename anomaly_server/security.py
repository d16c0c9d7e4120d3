"""What a page may load and run. Strict everywhere; under /admin/ only what django-unfold cannot do without."""

from collections.abc import Callable
from functools import cache
from typing import Any

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# Alpine.js turns attributes into functions, and unfold writes its colours into a style element.
# Scripts within the page stay forbidden: what an analyst reads comes from strangers.
ADMIN_NEEDS = {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]}


@cache
def admin_prefix() -> str:
    return reverse("admin:index")


class AdminPolicy:
    """Relaxes the policy for pages under /admin/; stands after CSPMiddleware, which writes the header."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if request.path.startswith(admin_prefix()):
            response._csp_update = ADMIN_NEEDS  # type: ignore[attr-defined]
        return response
