"""Events on their way to other systems."""

import anomalies.events
import uuid_utils.compat
from django.db import migrations, models

KINDS = [
    ("anomaly.created", "Anomaly found"),
    ("case.opened", "Case opened"),
    ("case.closed", "Case closed"),
    ("verdict.created", "Verdict given"),
    ("model.promoted", "Model gone live"),
]


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0009_comments")]
    operations = [
        migrations.CreateModel(
            name="OutboxEvent",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, primary_key=True, serialize=False)),
                ("position", models.BigIntegerField(null=True)),
                ("kind", models.CharField(choices=KINDS, max_length=32)),
                ("user_id", models.UUIDField(null=True)),
                ("subject", models.UUIDField()),
                ("score", models.FloatField(null=True)),
                ("body", models.JSONField()),
                ("at", models.DateTimeField(db_default=anomalies.events.ClockTimestamp())),
            ],
            options={
                "db_table": "outbox_events",
                "ordering": ("position", "at", "id"),
                "indexes": [
                    models.Index(
                        fields=["at", "id"], condition=models.Q(position__isnull=True), name="ix_outbox_unplaced"
                    ),
                    models.Index(fields=["at"], name="ix_outbox_at"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("position",), name="one_event_is_at_a_position"),
                ],
            },
        ),
        migrations.RunSQL("CREATE SEQUENCE outbox_positions", "DROP SEQUENCE outbox_positions"),
    ]
