"""What `manage.py up` does once: demo data to look at, somebody who may log in, a key for the API."""

import secrets
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction

from transactions import keys
from transactions.models import Load, Transaction
from transactions.scopes import ALL

ADMIN = "admin"
# About 150,000 rows: enough for users with a past, few enough to be scored while one waits.
DEMO = ["load_data", "--demo"]


def wants_demo_data() -> bool:
    """True while an embedded database has no transactions, or not all of its demo data.

    Somebody's own PostgreSQL is never filled with made-up payments.
    """
    broken_off = Load.objects.filter(name__startswith="demo data ", finished_at=None)
    return not settings.DATABASE_URL and (not Transaction.objects.exists() or broken_off.exists())


class Access(NamedTuple):
    """What is shown once and stored hashed only."""

    password: str
    key: str


@transaction.atomic
def make_access() -> Access | None:
    """Make the first administrator and his API key. None if somebody may already administer."""
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists() or users.filter(username=ADMIN).exists():
        return None
    password = secrets.token_urlsafe(12)
    admin = users.create_superuser(ADMIN, password=password)
    _, key = keys.create(owner=admin, name="made by the first run", scopes=ALL)
    return Access(password, key)
