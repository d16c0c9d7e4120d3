"""Deliveries: written down from the outbox, taken to be tried, and what comes of each try.

An endpoint hears of one user in the order in which it happened, so of a user only the first is due. Whoever writes
down new deliveries of an endpoint or ends one holds the lock on its row: else one could come to wait for another
that has just ended.
"""

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, Max, OuterRef, Q
from django.utils import timezone

from anomalies import audit, outbox
from anomalies.events import OutboxEvent
from anomalies.webhooks.messages import Message, message
from anomalies.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from anomalies.webhooks.sending import Answer

SQL = Path(__file__).parent.parent / "sql"
SPREAD, CLAIM, NEXT, FIRSTS = (
    (SQL / f"webhook_{name}.sql").read_text() for name in ("spread", "claim", "next", "firsts")
)
# Written down at once, of one endpoint.
SPREAD_EVENTS = 1_000
PATIENCE = timedelta(hours=72)
FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 6 * 3600.0
# Waits are spread by a fifth either way, so that what failed together does not come back together.
JITTER = 0.2
# An endpoint that has failed so often in a row is asked one thing at a time, and less and less often.
FAILING_AFTER = 5
LONGEST_PAUSE_S = 300.0
GONE = 410

State = WebhookDelivery.State


class Claimed(NamedTuple):
    """A delivery to be tried now."""

    id: UUID
    endpoint_id: UUID
    message: Message


def spread() -> int:
    """Write down the deliveries of the outbox's new events; says how many events it looked at."""
    outbox.place()
    seen = 0
    with transaction.atomic():
        last = OutboxEvent.objects.aggregate(last=Max("position"))["last"] or 0
        behind = WebhookEndpoint.objects.filter(enabled=True, position__lt=last)
        for endpoint in behind.select_for_update(skip_locked=True):
            parameters: dict[str, Any] = {
                "endpoint": endpoint.pk,
                "position": endpoint.position,
                "kinds": endpoint.kinds,
                "limit": SPREAD_EVENTS,
                "patience": PATIENCE,
            }
            with connection.cursor() as cursor:
                cursor.execute(SPREAD, parameters)
                position, events, _ = cursor.fetchone()
            WebhookEndpoint.objects.filter(pk=endpoint.pk).update(position=position or last)
            seen += events
    return seen


def claim(rooms: dict[UUID, int], *, lease: timedelta) -> list[Claimed]:
    """Take what is due, at most so many of each endpoint. It is due again after the lease."""
    if not rooms:
        return []
    parameters: dict[str, Any] = {"endpoints": list(rooms), "rooms": list(rooms.values()), "lease": lease}
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, parameters)
        return [Claimed(row[0], row[1], message(*row[2:])) for row in cursor.fetchall()]


@transaction.atomic
def note(claimed: Claimed, answer: Answer) -> None:
    """Write down how a try went: the delivery has ended, or is due again later."""
    endpoint = WebhookEndpoint.objects.select_for_update().filter(pk=claimed.endpoint_id).first()
    delivery = WebhookDelivery.objects.select_for_update().filter(pk=claimed.id).first()
    if endpoint is None or delivery is None:
        return  # Removed meanwhile.
    now = timezone.now()
    delivery.attempts += 1
    WebhookAttempt.objects.create(
        delivery=delivery, user_id=delivery.user_id, number=delivery.attempts, **answer.told()
    )
    # Somebody else may have ended it, where this try took longer than its lease.
    if delivery.state == State.WAITING:
        delivery.status, delivery.duration_ms, delivery.error = answer.status, answer.duration_ms, answer.error
        delivery.state = _state_after(answer, delivery, now)
        is_over = delivery.state != State.WAITING
        delivery.finished_at = now if is_over else None
        due = now + wait(delivery.attempts, answer.asked_wait_s)
        delivery.next_try_at = None if is_over else min(due, delivery.give_up_at)
        delivery.save()
        if is_over and delivery.user_id is not None:
            _run(NEXT, endpoint=endpoint.pk, user=delivery.user_id)
    _note_health(endpoint, answer, now)


def _state_after(answer: Answer, delivery: WebhookDelivery, now: datetime) -> State:
    if answer.is_taken:
        return State.DELIVERED
    return State.DEAD if now >= delivery.give_up_at else State.WAITING


def wait(attempts: int, asked_s: float = 0.0) -> timedelta:
    """How long to wait after so many failed attempts: doubling from 5 s to 6 h, with jitter; never less than asked."""
    seconds = min(FIRST_WAIT_S * 2.0 ** min(attempts - 1, 30), LONGEST_WAIT_S)
    own = seconds * random.uniform(1 - JITTER, 1 + JITTER)
    return timedelta(seconds=max(own, asked_s * random.uniform(1, 1 + JITTER)))


def _note_health(endpoint: WebhookEndpoint, answer: Answer, now: datetime) -> None:
    """Keep count of failures in a row; whoever is gone, or silent for as long as we try, is disabled."""
    if answer.is_taken:
        if endpoint.failures:
            # Not wait_until: what was under way when the endpoint asked to be left alone changes nothing about that.
            WebhookEndpoint.objects.filter(pk=endpoint.pk).update(failures=0, failing_since=None)
        return
    since = endpoint.failing_since or now
    failures = endpoint.failures + 1
    pause = FIRST_WAIT_S * 2.0 ** min(failures - FAILING_AFTER, 30) if failures >= FAILING_AFTER else 0
    until = now + timedelta(seconds=max(min(pause, LONGEST_PAUSE_S), answer.asked_wait_s))
    changes: dict[str, Any] = {
        "failures": failures,
        "failing_since": since,
        "wait_until": max(until, endpoint.wait_until or until),
    }
    why = ""
    if answer.status == GONE:
        why = "It answered 410 Gone."
    elif now - since > PATIENCE:
        why = f"No delivery has succeeded since {since:%Y-%m-%d %H:%M} UTC."
    if why and endpoint.enabled:
        changes |= {"enabled": False, "disabled_reason": why}
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(**changes)
    if why and endpoint.enabled:
        audit.write("webhook.disabled", by=None, subject=str(endpoint.pk), after={"url": endpoint.url}, note=why)


def replay(endpoint: WebhookEndpoint, chosen: Q, *, by: audit.Actor) -> int:
    """Send these deliveries of the endpoint again, which were made or given up; says how many. By whom is audited.

    They keep their order among each other, but come after what has arrived since.
    """
    with transaction.atomic():
        WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
        again = WebhookDelivery.objects.filter(chosen, endpoint=endpoint).exclude(state=State.WAITING)
        many = again.update(
            state=State.WAITING, next_try_at=None, finished_at=None, give_up_at=timezone.now() + PATIENCE, attempts=0
        )
        _run(FIRSTS, endpoint=endpoint.pk)
        # Whoever asks for it has mended the endpoint: it does not wait for the end of the pause.
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(failures=0, failing_since=None, wait_until=None)
        if many:
            audit.write("webhook.replayed", by=by, subject=str(endpoint.pk), after={"deliveries": many})
    return many


def failed_since(since: datetime | None) -> Q:
    """Deliveries that were given up since then, or ever."""
    return Q(state=State.DEAD) if since is None else Q(state=State.DEAD, finished_at__gte=since)


def prune(*, batch: int = 5_000) -> int:
    """Remove events older than OUTBOX_DAYS with their deliveries, as soon as none of these waits; says how many.

    What waits for a disabled endpoint for so long is given up, and removed by the next run.
    """
    oldest = timezone.now() - timedelta(days=settings.OUTBOX_DAYS)
    WebhookDelivery.objects.filter(state=State.WAITING, endpoint__enabled=False, created_at__lt=oldest).update(
        state=State.DEAD, finished_at=timezone.now(), next_try_at=None, error="The endpoint stayed disabled."
    )
    removed = 0
    while gone := _remove(oldest, batch):
        removed += gone
    return removed


@transaction.atomic
def _remove(oldest: datetime, batch: int) -> int:
    waiting = WebhookDelivery.objects.filter(event_id=OuterRef("pk"), state=State.WAITING)
    behind = WebhookEndpoint.objects.filter(enabled=True).order_by("position").values_list("position", flat=True)
    done = OutboxEvent.objects.filter(at__lt=oldest, position__isnull=False)
    if (first := behind.first()) is not None:
        done = done.filter(position__lte=first)
    old = list(done.exclude(Exists(waiting)).order_by("at").values_list("pk", flat=True)[:batch])
    told = list(WebhookDelivery.objects.filter(event_id__in=old).values_list("pk", flat=True))
    WebhookAttempt.objects.filter(delivery_id__in=told).delete()
    WebhookDelivery.objects.filter(pk__in=told).delete()
    OutboxEvent.objects.filter(pk__in=old).delete()
    return len(old)


def _run(statement: str, **parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
