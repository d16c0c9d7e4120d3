"""What a key's owner may do, asked without Django's querysets: alone, or together with what is done by the key."""

import re
from pathlib import Path

from anomalies.prepared import fetch

# True where `auth_user` has the permission with this label and codename. Without its comment, to go into other queries.
MAY = re.sub("^--.*\n", "", (Path(__file__).with_name("sql") / "owner_may.sql").read_text(), flags=re.MULTILINE)
ASKED = " ".join(("SELECT", MAY, "FROM auth_user WHERE auth_user.id = %s AND is_active"))


def has(user: int, permission: str) -> bool:
    """Whether this active user, who is no superuser, has a permission such as "app.add_thing". One query."""
    return bool(next(iter(fetch(ASKED, [*parts(permission), user])), (False,))[0])


def parts(permission: str) -> tuple[str, str]:
    """The permission as MAY takes it."""
    label, _, codename = permission.partition(".")
    return label, codename
