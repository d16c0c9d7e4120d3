"""Who may do what. Nothing is public: a view that says otherwise names it itself."""

from typing import Any

from django.conf import settings
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request


class Scoped(BasePermission):
    """A key needs the scope that the view asks for; who writes, the permission that it names, also through a key.

    A viewset says both: `scopes` for reading and writing, `write_permission`. Whoever is logged in may read.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if not request.user.is_authenticated:
            return False
        if getattr(view, "action", "") is None:
            return True  # A method that the address does not take: that is what the answer will say.
        reads = request.method in SAFE_METHODS
        key: Any = request.auth
        if key is not None:
            scope = view.scopes.get("read" if reads else "write")
            self.message = f"This key lacks the scope {scope}."
            if scope not in key.scopes:
                return False
            # What a key may do ends where its owner's rights end.
            self.message = f"The key's owner lacks the permission {view.write_permission}."
        # A key knows of its owner's rights without Django's querysets.
        may = request.user.has_perm if key is None else key.may
        return reads or (view.write_permission is not None and may(view.write_permission))


class MaySeeDocs(BasePermission):
    """Whoever is known, and everybody where PUBLIC_DOCS is set."""

    def has_permission(self, request: Request, *_: object) -> bool:
        return settings.PUBLIC_DOCS or request.user.is_authenticated
