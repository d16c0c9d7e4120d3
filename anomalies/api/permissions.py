"""Who may do what. Nothing is public: a view that says otherwise names it itself."""

from django.conf import settings
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request


class ReadOrMayWrite(BasePermission):
    """Whoever is known may read. Writing needs a key that can write, or the person's own permission.

    A view that writes names that permission in `write_permission`.
    """

    def has_permission(self, request: Request, view: object) -> bool:
        if not request.user.is_authenticated:
            return False
        if request.method in SAFE_METHODS:
            return True
        if request.auth is not None:
            return getattr(request.auth, "can_write", False)
        permission = getattr(view, "write_permission", None)
        return permission is not None and request.user.has_perm(permission)


class MaySeeDocs(BasePermission):
    """Whoever is known, and everybody where PUBLIC_DOCS is set."""

    def has_permission(self, request: Request, *_: object) -> bool:
        return settings.PUBLIC_DOCS or request.user.is_authenticated
