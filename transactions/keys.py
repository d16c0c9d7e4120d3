"""API keys: making them, finding whose request it is, revoking them."""

import re
from datetime import datetime

from django.contrib.auth.models import User
from django.utils import timezone

from transactions.models import ApiKey

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
    key: ApiKey | None = ApiKey.objects.select_related("owner").filter(prefix=match[1], revoked=False).first()
    if key is None or not key.is_valid(text) or not key.owner.is_active:
        raise NotValid
    if key.expiry_date is not None and key.expiry_date <= timezone.now():
        raise NotValid
    return key


def revoke(prefix: str) -> bool:
    """Revoke the key with this prefix, from the next request on. False if there is none that is still valid."""
    return ApiKey.objects.filter(prefix=prefix, revoked=False).update(revoked=True) > 0
