"""Endpoints of other systems, what is on its way to each, and every attempt."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from anomalies import sealing
from anomalies.events import OutboxEvent
from anomalies.webhooks.targets import URL_CHARACTERS


class WebhookEndpoint(models.Model):
    """Another system's address to which chosen events are posted, and how that is going."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    url = models.CharField("URL", max_length=URL_CHARACTERS)
    description = models.CharField(max_length=200, blank=True)
    kinds = ArrayField(models.CharField(max_length=32, choices=OutboxEvent.Kind), verbose_name="events")
    enabled = models.BooleanField(default=True, help_text="What happens while it is disabled is not sent later.")
    disabled_reason = models.TextField("why it was disabled", blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    # Not hashed: every message is signed with it.
    sealed_secret = models.TextField()
    sealed_old_secret = models.TextField(blank=True)
    old_secret_until = models.DateTimeField(null=True)
    # Up to where in the outbox its deliveries have been written down.
    position = models.BigIntegerField(default=0)
    # Of attempts in a row, since when, and until when all of its deliveries wait.
    failures = models.IntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    wait_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "webhook_endpoints"
        ordering = ("created_at", "id")

    def __str__(self) -> str:
        return self.description or self.url

    @property
    def secret(self) -> str:
        """What its messages are signed with. Raises SealError."""
        return sealing.opened(self.sealed_secret)


class WebhookDelivery(models.Model):
    """One event on its way to one endpoint."""

    class State(models.TextChoices):
        WAITING = "waiting"
        DELIVERED = "delivered"
        DEAD = "dead", "Given up"

    id = models.UUIDField(primary_key=True, default=uuid7)
    endpoint = models.ForeignKey(WebhookEndpoint, db_index=False, on_delete=models.CASCADE, related_name="deliveries")
    event_id = models.UUIDField("event")
    kind = models.CharField("what happened", max_length=32, choices=OutboxEvent.Kind)
    user_id = models.UUIDField("user", null=True)
    position = models.BigIntegerField()
    state = models.CharField(max_length=9, choices=State, default=State.WAITING)
    attempts = models.IntegerField(default=0)
    # None while an earlier event of the user waits: an endpoint hears of a user in order.
    next_try_at = models.DateTimeField("next try", null=True)
    give_up_at = models.DateTimeField()
    # Of the last attempt.
    status = models.IntegerField("answer", null=True)
    duration_ms = models.IntegerField("milliseconds", null=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "webhook_deliveries"
        verbose_name = "delivery"
        verbose_name_plural = "deliveries"
        ordering = ("-created_at", "id")
        indexes = [
            # What is due at an endpoint, the longest due first.
            models.Index(
                fields=("endpoint", "next_try_at"),
                condition=Q(state="waiting", next_try_at__isnull=False),
                name="ix_webhook_due",
            ),
            # What of a user waits at an endpoint, in order.
            models.Index(
                fields=("endpoint", "user_id", "position"), condition=Q(state="waiting"), name="ix_webhook_user"
            ),
            # What has waited longest at an endpoint, and how many wait, for /metrics.
            models.Index(fields=("endpoint", "created_at"), condition=Q(state="waiting"), name="ix_webhook_waiting"),
            # All, the latest first; and those of an endpoint.
            models.Index(fields=("-created_at", "id"), name="ix_webhook_created"),
            models.Index(fields=("endpoint", "-created_at", "id"), name="ix_webhook_endpoint_created"),
            # What was given up, to send it again.
            models.Index(fields=("endpoint", "finished_at"), condition=Q(state="dead"), name="ix_webhook_dead"),
        ]
        constraints = [
            # An event told twice. Also leads from an event to its deliveries, when old events are removed.
            models.UniqueConstraint(fields=("event_id", "endpoint"), name="an_endpoint_is_told_an_event_once"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {str(self.event_id)[-8:]}"


class WebhookAttempt(models.Model):
    """One request that was made, and what came of it. Append-only."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    delivery = models.ForeignKey(
        WebhookDelivery, db_constraint=False, db_index=False, on_delete=models.DO_NOTHING, related_name="tries"
    )
    user_id = models.UUIDField(null=True)
    number = models.IntegerField()
    at = models.DateTimeField(db_default=Now())
    status = models.IntegerField("answer", null=True)
    duration_ms = models.IntegerField("milliseconds")
    error = models.TextField(blank=True)

    class Meta:
        db_table = "webhook_attempts"
        ordering = ("at", "id")
        indexes = [
            # Those of a delivery, in order.
            models.Index(fields=("delivery", "at", "id"), name="ix_webhook_attempt"),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number}"
