"""Answers of the API that are kept, so that a request that is sent again gets the same one."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class KeptAnswer(models.Model):
    """What a request with an `Idempotency-Key` was answered, written in the database transaction of its effect.

    See `anomalies.api.idempotency`.
    """

    pk = models.CompositePrimaryKey("owner_id", "key")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, db_index=False, related_name="+")
    key = models.CharField(max_length=255)
    # The method and the address, parameters included.
    request = models.TextField()
    body_sha256 = models.BinaryField()
    status = models.SmallIntegerField()
    headers = models.JSONField()
    answer = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "api_idempotency"
        default_permissions = ()
        indexes = [
            # What has become old.
            models.Index(fields=("created_at",), name="ix_idempotency_created"),
        ]

    def __str__(self) -> str:
        return f"{self.request}: {self.status}"
