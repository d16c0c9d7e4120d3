"""Endpoints: made, changed, tried, given new secrets and removed; each is written into the audit log."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple

import orjson
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connection, transaction
from django.utils import timezone
from uuid_utils.compat import uuid7

from anomalies import audit, outbox, sealing
from anomalies.events import OutboxEvent
from anomalies.webhooks import courier, messages, sending, targets
from anomalies.webhooks.models import WebhookEndpoint

TEST = "webhook.test"
OVERLAP = timedelta(hours=24)
KINDS: tuple[str, ...] = tuple(OutboxEvent.Kind.values)


class EndpointError(ValueError):
    """It cannot be so; the text is a sentence for people, `field` where it belongs."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


def create(
    *, url: str, kinds: Iterable[str], owner: Any, description: str = "", enabled: bool = True
) -> WebhookEndpoint:
    """A new endpoint, to which is sent what happens from now on. Raises EndpointError."""
    # A transaction of its own: see `outbox.place`.
    position = outbox.end()
    endpoint = WebhookEndpoint(
        url=checked_url(url),
        kinds=checked_kinds(kinds),
        owner=owner,
        description=description,
        enabled=enabled,
        sealed_secret=sealing.seal(messages.new_secret()),
        position=position,
    )
    with transaction.atomic():
        endpoint.save(force_insert=True)
        audit.write("webhook.created", by=owner, subject=str(endpoint.pk), after=told(endpoint))
    return endpoint


def change(endpoint: WebhookEndpoint, *, by: audit.Actor, **changes: Any) -> WebhookEndpoint:
    """The endpoint with other values of url, kinds, description, enabled. Raises EndpointError."""
    if "url" in changes:
        changes["url"] = checked_url(changes["url"])
    if "kinds" in changes:
        changes["kinds"] = checked_kinds(changes["kinds"])
    position = outbox.end() if changes.get("enabled") else 0
    with transaction.atomic():
        stored = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
        before = told(stored)
        if changes.get("enabled") and not stored.enabled:
            # What happened meanwhile is not sent; what waited before goes on.
            fresh = {"disabled_reason": "", "failures": 0, "failing_since": None, "wait_until": None}
            changes |= {**fresh, "position": max(position, stored.position)}
        for name, value in changes.items():
            setattr(stored, name, value)
        if changes:
            stored.save(update_fields=list(changes))
        after = told(stored)
        changed = [name for name in after if before[name] != after[name]]
        if changed:
            audit.write(
                "webhook.changed",
                by=by,
                subject=str(stored.pk),
                before={name: before[name] for name in changed},
                after={name: after[name] for name in changed},
            )
    return stored


def rotate(endpoint: WebhookEndpoint, *, by: audit.Actor) -> WebhookEndpoint:
    """The endpoint with a new secret; for a day messages carry the old one's signature too."""
    with transaction.atomic():
        stored = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
        stored.sealed_old_secret, stored.old_secret_until = stored.sealed_secret, timezone.now() + OVERLAP
        stored.sealed_secret = sealing.seal(messages.new_secret())
        stored.save(update_fields=["sealed_secret", "sealed_old_secret", "old_secret_until"])
        until = stored.old_secret_until.isoformat()
        audit.write("webhook.rotated", by=by, subject=str(stored.pk), after={"old_secret_until": until})
    return stored


class Resealed(NamedTuple):
    """Secrets that were sealed anew, and endpoints whose secrets nobody can open any more."""

    secrets: int
    lost: list[WebhookEndpoint]


@transaction.atomic
def reseal() -> Resealed:
    """Seal with the present SECRET_KEY what was sealed with one of SECRET_KEY_FALLBACKS."""
    done, lost = 0, []
    for endpoint in WebhookEndpoint.objects.select_for_update():
        for name in ("sealed_secret", "sealed_old_secret"):
            sealed = getattr(endpoint, name)
            if not sealed or sealing.is_of_present_key(sealed):
                continue
            try:
                WebhookEndpoint.objects.filter(pk=endpoint.pk).update(**{name: sealing.seal(sealing.opened(sealed))})
                done += 1
            except sealing.SealError:
                if name == "sealed_secret":
                    lost.append(endpoint)
    return Resealed(done, lost)


@transaction.atomic
def remove(endpoint: WebhookEndpoint, *, by: audit.Actor) -> None:
    """Remove the endpoint, and what was and is to be delivered to it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM webhook_attempts WHERE delivery_id IN "
            "(SELECT id FROM webhook_deliveries WHERE endpoint_id = %s)",
            [endpoint.pk],
        )
    pk, before = endpoint.pk, told(endpoint)
    endpoint.delete()
    audit.write("webhook.deleted", by=by, subject=str(pk), before=before)


def test(endpoint: WebhookEndpoint, *, by: AbstractBaseUser | Any) -> sending.Answer:
    """Send a message that tells of nothing, now; says what came back. The log is written last: nobody waits for it."""
    data = orjson.dumps({"endpoint_id": endpoint.pk}).decode()
    message = messages.message(uuid7(), TEST, timezone.now(), data)
    answer = courier.send(message, courier.address_of(endpoint))
    audit.write("webhook.tested", by=by, subject=str(endpoint.pk), after=answer.told())
    return answer


def checked_url(url: str) -> str:
    try:
        targets.parse(url, allow_http=settings.WEBHOOK_ALLOW_HTTP)
    except targets.TargetError as fault:
        raise EndpointError("url", str(fault)) from None
    return url


def checked_kinds(kinds: Iterable[str]) -> list[str]:
    """The events in one order, none twice."""
    wanted = set(kinds)
    if not wanted or wanted - set(KINDS):
        raise EndpointError("kinds", f"Choose one or more of {', '.join(KINDS)}.")
    return [kind for kind in KINDS if kind in wanted]


def told(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """What the audit log keeps of an endpoint: no secret."""
    return {
        "url": endpoint.url,
        "description": endpoint.description,
        "kinds": endpoint.kinds,
        "enabled": endpoint.enabled,
    }
