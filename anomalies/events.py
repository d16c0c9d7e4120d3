"""What happened here that other systems want to know of: events on their way out."""

from django.db import models
from django.db.models import Func, Q
from uuid_utils.compat import uuid7


class ClockTimestamp(Func):
    """The instant of the statement: events of one transaction, too, have an order."""

    function = "clock_timestamp"
    output_field = models.DateTimeField()


class OutboxEvent(models.Model):
    """Something that happened, written in the database transaction of its cause: see `outbox`. Never changed."""

    class Kind(models.TextChoices):
        ANOMALY_CREATED = "anomaly.created", "Anomaly found"
        CASE_OPENED = "case.opened", "Case opened"
        CASE_CLOSED = "case.closed", "Case closed"
        VERDICT_CREATED = "verdict.created", "Verdict given"
        MODEL_PROMOTED = "model.promoted", "Model gone live"

    id = models.UUIDField(primary_key=True, default=uuid7)
    # Its place in the one order in which everybody reads; none until it is given one after the commit.
    position = models.BigIntegerField(null=True)
    kind = models.CharField(max_length=32, choices=Kind)
    user_id = models.UUIDField(null=True)
    # What it is about: a transaction, a case, a verdict, a model.
    subject = models.UUIDField()
    score = models.FloatField(null=True)
    body = models.JSONField()
    at = models.DateTimeField(db_default=ClockTimestamp())

    class Meta:
        db_table = "outbox_events"
        ordering = ("position", "at", "id")
        indexes = [
            # What has no place yet, in the order in which it gets one.
            models.Index(fields=("at", "id"), condition=Q(position__isnull=True), name="ix_outbox_unplaced"),
            # What has become old.
            models.Index(fields=("at",), name="ix_outbox_at"),
        ]
        constraints = [
            # Two events at one place: whoever reads on from it would miss one. Readers go along its index.
            models.UniqueConstraint(fields=("position",), name="one_event_is_at_a_position"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"
