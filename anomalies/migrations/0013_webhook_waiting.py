"""An index for how long the oldest delivery of an endpoint has waited."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Deliveries go on while the index is built.
    atomic = False

    dependencies = [
        ("anomalies", "0012_webhooks"),
    ]
    operations = [
        AddIndexConcurrently(
            "webhookdelivery",
            models.Index(
                fields=["endpoint", "created_at"], condition=models.Q(state="waiting"), name="ix_webhook_waiting"
            ),
        ),
    ]
