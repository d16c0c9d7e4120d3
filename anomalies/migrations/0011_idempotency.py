"""Answers of requests that may be sent again."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [
        ("anomalies", "0010_outbox"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.CreateModel(
            name="KeptAnswer",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "owner_id", "key", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("key", models.CharField(max_length=255)),
                ("request", models.TextField()),
                ("body_sha256", models.BinaryField()),
                ("status", models.SmallIntegerField()),
                ("headers", models.JSONField()),
                ("answer", models.BinaryField()),
                ("created_at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "db_table": "api_idempotency",
                "default_permissions": (),
                "indexes": [models.Index(fields=["created_at"], name="ix_idempotency_created")],
            },
        ),
    ]
