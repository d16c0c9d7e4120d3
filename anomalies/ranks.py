"""Nobody gives away, or takes over, more than they may do themselves."""

from collections.abc import Iterable

from django.contrib.auth.models import AnonymousUser, Permission, User
from django.db.models import Q


def may_act_as(editor: User | AnonymousUser, other: User) -> bool:
    """True if `editor` may do all that `other` may: only then a password or key of `other` gains nothing."""
    if editor.is_superuser:
        return True
    # Not `get_all_permissions`, which is empty for an account that is not active, and it may be activated.
    held = Permission.objects.filter(Q(group__user=other) | Q(user=other)).select_related("content_type")
    return not other.is_superuser and not lacking(editor, held)


def lacking(editor: User | AnonymousUser, wanted: Iterable[Permission]) -> list[str]:
    """Which of these permissions (with their content types) `editor` does not hold, by name."""
    if editor.is_superuser and editor.is_active:
        return []
    held = editor.get_all_permissions()
    return sorted({one.name for one in wanted if f"{one.content_type.app_label}.{one.codename}" not in held})
