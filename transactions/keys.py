"""API keys: making them, finding whose request it is, revoking them."""

import re
from datetime import datetime

from django.contrib.auth.models import User
from django.db import connection

from transactions.models import ApiKey

KEY_FIELDS = [field.attname for field in ApiKey._meta.concrete_fields]
OWNER_FIELDS = [field.attname for field in User._meta.concrete_fields]
# A key and its owner, all columns of both. As text, because the queryset's compiler takes longer than the query,
# and this runs with every request.
FIND = " ".join(
    (
        "SELECT",
        ", ".join(
            f"{model._meta.db_table}.{field.column}"
            for model in (ApiKey, User)
            for field in model._meta.concrete_fields
        ),
        "FROM api_keys JOIN auth_user ON auth_user.id = owner_id",
        "WHERE prefix = %s AND NOT revoked AND is_active AND (expiry_date IS NULL OR expiry_date > now())",
    )
)
# As `rest_framework_api_key` makes them: a prefix to find the key by, and 190 bits of secret.
SHAPE = re.compile(r"([A-Za-z0-9]{8})\.[A-Za-z0-9]{32}", re.ASCII)


class NotValid(Exception):
    """Unknown, revoked, expired, or its owner may not log in any more. Which one is nobody's business."""


def create(*, owner: User, name: str, can_write: bool = False, expires: datetime | None = None) -> tuple[ApiKey, str]:
    """A new key, and its text: the only time that it can be seen."""
    key = ApiKey(owner=owner, name=name, can_write=can_write, expiry_date=expires)
    text = ApiKey.objects.assign_key(key)
    key.save()
    return key, text


def find(text: str) -> ApiKey:
    """The usable key with this text, its owner loaded with it. One query. Raises NotValid.

    The hash is SHA-512, once: a random secret needs no slow hash, and this runs with every request.
    """
    match = SHAPE.fullmatch(text)
    if match is None:
        raise NotValid
    with connection.cursor() as cursor:
        cursor.execute(FIND, [match[1]])
        found = cursor.fetchone()
    if found is None:
        raise NotValid
    key: ApiKey = ApiKey.from_db(connection.alias, KEY_FIELDS, found[: len(KEY_FIELDS)])
    if not key.is_valid(text):
        raise NotValid
    key.owner = User.from_db(connection.alias, OWNER_FIELDS, found[len(KEY_FIELDS) :])
    return key


def revoke(prefix: str) -> bool:
    """Revoke the key with this prefix, from the next request on. False if there is none that is still valid."""
    return ApiKey.objects.filter(prefix=prefix, revoked=False).update(revoked=True) > 0
