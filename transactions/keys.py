"""API keys: making them, finding whose request it is, exchanging and revoking them."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha512
from hmac import compare_digest
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.base import ModelState
from django.utils import timezone

from anomalies import audit
from anomalies.prepared import fetch
from transactions import rights
from transactions.models import ApiKey
from transactions.scopes import ALL, READ

KEY_FIELDS = [field.attname for field in ApiKey._meta.concrete_fields]
OWNER_FIELDS = [field.attname for field in User._meta.concrete_fields]
# Which versions of both rows these are: any change makes new ones.
VERSION = "concat_ws(' ', api_keys.ctid, api_keys.xmin, auth_user.ctid, auth_user.xmin)"
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
        f", {VERSION}",
        "FROM api_keys JOIN auth_user ON auth_user.id = owner_id",
        "WHERE prefix = %s AND NOT revoked AND is_active",
        "AND (expiry_date IS NULL OR expiry_date > statement_timestamp())",
    )
)
# True while both rows are what they were and the key's time has not come; `{}` is what the owner must be besides.
UNCHANGED = " ".join(
    (
        f"(SELECT {VERSION}",
        "FROM api_keys JOIN auth_user ON auth_user.id = owner_id",
        "WHERE prefix = %s AND NOT revoked AND is_active {}",
        "AND (expiry_date IS NULL OR expiry_date > statement_timestamp())) = %s",
    )
)
UNCHANGED_ALONE, UNCHANGED_AND_MAY = UNCHANGED.format(""), UNCHANGED.format(f"AND {rights.MAY}")
# As `rest_framework_api_key` makes them: a prefix to find the key by, and 190 bits of secret.
SHAPE = re.compile(r"([A-Za-z0-9]{8})\.[A-Za-z0-9]{32}", re.ASCII)

# The keys that this process has found, with their owners, by prefix. Nobody gets these: see `_copy`.
MOST_SEEN = 1_000
_seen: dict[str, ApiKey] = {}

USE_NOTED_EVERY = timedelta(minutes=1)
NOTE_USE = """
    UPDATE api_keys SET last_used_at = now()
    WHERE id = (SELECT id FROM api_keys WHERE id = %s FOR UPDATE SKIP LOCKED)
      AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
"""


class NoSuchScope(ValueError):
    """A scope that no part of the API asks for."""


class NotValid(Exception):
    """Unknown, revoked, expired, or its owner may not log in any more. Which one is nobody's business."""


def create(
    *,
    owner: User,
    name: str,
    scopes: Iterable[str] = READ,
    expires: datetime | None = None,
    rate_limit: int | None = None,
    by: audit.Actor = None,
) -> tuple[ApiKey, str]:
    """A new key made by somebody, and its text: the only time that it can be seen. Raises NoSuchScope."""
    wanted = set(scopes)
    if unknown := wanted - set(ALL):
        raise NoSuchScope(f"There is no scope {min(unknown)!r}: the scopes are {', '.join(ALL)}.")
    key = ApiKey(owner=owner, name=name, expiry_date=expires, rate_limit=rate_limit)
    key.scopes = [scope for scope in ALL if scope in wanted]
    text = ApiKey.objects.assign_key(key)
    with transaction.atomic():
        key.save(force_insert=True)
        audit.write("key.created", by=by, subject=key.prefix, after=told(key))
    return key, text


def told(key: ApiKey) -> dict[str, Any]:
    """What the audit log keeps of a key: nothing that opens a door."""
    expires = key.expiry_date and key.expiry_date.isoformat()
    return {
        "name": key.name,
        "owner": key.owner.get_username(),
        "scopes": key.scopes,
        "expires": expires,
        "rate_limit": key.rate_limit,
    }


def find(text: str) -> ApiKey:
    """The usable key with this text, its owner loaded with it. One query. Raises NotValid.

    The hash is SHA-512, once: a random secret needs no slow hash, and this runs with every request.
    """
    match = SHAPE.fullmatch(text)
    if match is None:
        raise NotValid
    found = next(iter(fetch(FIND, [match[1]])), None)
    if found is None:
        raise NotValid
    key = _key(found)
    if not _is_secret_of(text, key):
        raise NotValid
    # Whatever was granted is asked for again by the statement that counts on it.
    key.granted = _seen[match[1]].granted if match[1] in _seen else set()
    if len(_seen) >= MOST_SEEN:
        _seen.clear()
    _seen[match[1]] = key
    return _copy(key)


def seen(text: str) -> ApiKey | None:
    """The key with this text as it was when it was last found here, if that was within the last minute's use.

    No query: whoever takes it must ask the database whether it is still good, by what `unchanged` gives.
    """
    found = _seen.get(text[:8])
    if found is None or not _is_secret_of(text, found):
        return None
    return None if _is_use_due(found) else _copy(found)


def unchanged(key: ApiKey, permission: str | None) -> tuple[str, tuple[str, ...]]:
    """The condition, and its values, that key and owner are what they were, and that he has the permission, if any."""
    if permission is None or key.owner.is_superuser:
        return UNCHANGED_ALONE, (key.prefix, key.version)
    return UNCHANGED_AND_MAY, (key.prefix, *rights.parts(permission), key.version)


def _key(found: tuple[Any, ...]) -> ApiKey:
    """The key and its owner, from all columns of both."""
    key: ApiKey = ApiKey.from_db(connection.alias, KEY_FIELDS, found[: len(KEY_FIELDS)])
    key.owner = User.from_db(connection.alias, OWNER_FIELDS, found[len(KEY_FIELDS) : -1])
    key.version = found[-1]
    return key


def _copy(key: ApiKey) -> ApiKey:
    """The key and its owner for one request: a user object remembers permissions, and must not outlast it.

    Without what Django does to make a model, which with every request would take as long as a short query.
    """
    copied: ApiKey = _twin(key)
    copied._state.fields_cache["owner"] = _twin(key.owner)
    return copied


def _twin(model: Any) -> Any:
    twin = object.__new__(type(model))
    twin.__dict__.update(model.__dict__)
    twin._state = ModelState()
    twin._state.db, twin._state.adding = model._state.db, False
    return twin


def _is_secret_of(text: str, key: ApiKey) -> bool:
    # What `is_valid` compares, without Django's choosing among hashers.
    return compare_digest(key.hashed_key, f"sha512$${sha512(text.encode()).hexdigest()}")


def usable(prefixes: Iterable[str], scope: str) -> set[str]:
    """Those of the keys that may still be used for this. One query."""
    valid = Q(revoked=False) & (Q(expiry_date=None) | Q(expiry_date__gt=timezone.now()))
    found = ApiKey.objects.filter(valid, prefix__in=list(prefixes), owner__is_active=True)
    return {prefix for prefix, scopes in found.values_list("prefix", "scopes") if scope in scopes}


def note_use(key: ApiKey) -> None:
    """Write down that the key is being used, if that was not done within the last minute.

    No request waits for another's: whoever finds the row locked leaves the writing to whoever holds it.
    """
    if _is_use_due(key):
        with connection.cursor() as cursor:
            cursor.execute(NOTE_USE, [key.pk])


def _is_use_due(key: ApiKey) -> bool:
    return key.last_used_at is None or timezone.now() - key.last_used_at > USE_NOTED_EVERY


@transaction.atomic
def rotate(prefix: str, *, overlap: timedelta, by: audit.Actor = None) -> tuple[ApiKey, str]:
    """A new key that may do what the old one may, and its text; the old one ends after `overlap`.

    The new one lasts as long as the old one was made for. Raises NotValid if there is no such key that is still valid.
    """
    now = timezone.now()
    usable = Q(revoked=False) & (Q(expiry_date=None) | Q(expiry_date__gt=now))
    old = ApiKey.objects.select_for_update(of=("self",)).select_related("owner").filter(usable, prefix=prefix).first()
    if old is None:
        raise NotValid
    expires = old.expiry_date and now + (old.expiry_date - old.created)
    key, text = create(
        owner=old.owner, name=old.name, scopes=old.scopes, expires=expires, rate_limit=old.rate_limit, by=by
    )
    old.expiry_date = min(old.expiry_date or now + overlap, now + overlap)
    old.save(update_fields=["expiry_date"])
    after = {"new": key.prefix, "expires": old.expiry_date.isoformat()}
    audit.write("key.rotated", by=by, subject=prefix, after=after)
    return key, text


@transaction.atomic
def revoke(prefix: str, *, by: audit.Actor = None) -> bool:
    """Revoke the key with this prefix, from the next request on. False if there is none that is not revoked."""
    if not ApiKey.objects.filter(prefix=prefix, revoked=False).update(revoked=True):
        return False
    audit.write("key.revoked", by=by, subject=prefix)
    return True
