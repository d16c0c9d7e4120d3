"""The key is checked by the statement that does what is asked: one round trip less, a fifth of a short answer's time.

Whoever finds a key that was good a moment ago need not wait for the database to say so again before asking for a page
or storing a row: the statement itself asks for both, and a key that is no longer what it was gets no row and stores
none. Then, and whenever anything else goes wrong, the key is looked up after all, and what it may do is seen anew.
"""

from typing import Any

from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from anomalies.guard import Guard, Unsure


class Guarded(APIView):
    """A view of which some actions ask their statements under the key's guard, where there is one."""

    # They answer nothing but what the guarded statement has given, or raise Unsure.
    guards: frozenset[str] = frozenset()

    @property
    def takes_guard(self) -> bool:
        return getattr(self, "action", None) in self.guards

    def handle_exception(self, exc: Exception) -> Response:
        guard = guard_of(self.request)
        if guard is None or guard.is_met:
            return super().handle_exception(exc)
        try:
            return self._again(exc)
        except Exception as other:
            return super().handle_exception(other)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        guard = guard_of(request)
        if guard is not None and not guard.is_met and not getattr(response, "exception", False):
            raise RuntimeError("An answer was given without the statement that checks its key.")
        return super().finalize_response(request, response, *args, **kwargs)

    def make_sure(self, fault: Exception | None = None) -> None:
        """Look the key up where that is still to be done. Raises what it is refused for now.

        What counts requests has counted this one, unless that was what refused it or the limit is another now.
        """
        guard = guard_of(self.request)
        if guard is None or guard.is_met:
            return
        before: Any = self.request.auth
        self.request.user, now = guard.renew()
        self.request.auth = now
        is_limited_anew = now.rate_limit != before.rate_limit
        if is_limited_anew or isinstance(fault, exceptions.PermissionDenied | exceptions.Throttled):
            self.initial(self.request)
        else:
            self.check_permissions(self.request)

    def _again(self, fault: Exception) -> Response:
        """The answer to the key as it is now. Raises what that is refused for, or `fault`, if the key was not why."""
        self.make_sure(fault)
        if not isinstance(fault, exceptions.PermissionDenied | exceptions.Throttled | Unsure):
            raise fault
        response: Response = getattr(self, self.action)(self.request)  # type: ignore[attr-defined]
        return response


def guard_of(request: Any) -> Guard | None:
    """Of a request by a key that nobody has looked up for it."""
    # Not `request.auth`, which would authenticate a request that failed before that.
    return getattr(getattr(request, "_auth", None), "guard", None)
