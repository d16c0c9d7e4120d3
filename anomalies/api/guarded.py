"""The key is checked in the query of the page itself: one round trip less, which is a fifth of a short answer's time.

Whoever finds a key that was good a moment ago need not wait for the database to say so again before asking for the
page: the page's own query asks for both, and a key that is no longer what it was gets no row. Then, and whenever
anything else goes wrong, the key is looked up after all, and what it may do is seen anew.
"""

from typing import Any

from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from anomalies.api.listing import Guard, Unsure


class GuardedList(APIView):
    """A view whose action `list` asks its Listing under the key's guard, where there is one."""

    guards = False

    @property
    def takes_guard(self) -> bool:
        return self.guards and getattr(self, "action", None) == "list"

    def handle_exception(self, exc: Exception) -> Response:
        guard = guard_of(self.request)
        if guard is None or guard.is_met:
            return super().handle_exception(exc)
        try:
            return self._again(guard, exc)
        except Exception as other:
            return super().handle_exception(other)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        guard = guard_of(request)
        if guard is not None and not guard.is_met and not getattr(response, "exception", False):
            raise RuntimeError("A list was answered without the query that checks its key.")
        return super().finalize_response(request, response, *args, **kwargs)

    def _again(self, guard: Guard, fault: Exception) -> Response:
        """The answer to the key as it is now. Raises what it is refused for, `fault` if that was no matter of the key.

        What counts requests has counted this one, unless that was what refused it or the limit is another now.
        """
        before: Any = self.request.auth
        self.request.user, now = guard.renew()
        self.request.auth = now
        is_limited_anew = now.rate_limit != before.rate_limit
        if is_limited_anew or isinstance(fault, exceptions.PermissionDenied | exceptions.Throttled):
            self.initial(self.request)
        else:
            self.check_permissions(self.request)
            if not isinstance(fault, Unsure):
                raise fault
        response: Response = self.list(self.request)  # type: ignore[attr-defined]
        return response


def guard_of(request: Any) -> Guard | None:
    """Of a request by a key that nobody has looked up for it."""
    # Not `request.auth`, which would authenticate a request that failed before that.
    return getattr(getattr(request, "_auth", None), "guard", None)
