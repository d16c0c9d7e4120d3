"""Webhooks: endpoints, deliveries and attempts."""

import django.contrib.postgres.fields
import django.db.models.deletion
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Now

KINDS = [
    ("anomaly.created", "Anomaly found"),
    ("case.opened", "Case opened"),
    ("case.closed", "Case closed"),
    ("verdict.created", "Verdict given"),
    ("model.promoted", "Model gone live"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("anomalies", "0011_idempotency"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.CreateModel(
            name="WebhookEndpoint",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, primary_key=True, serialize=False)),
                ("url", models.CharField(max_length=2000, verbose_name="URL")),
                ("description", models.CharField(blank=True, max_length=200)),
                (
                    "kinds",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(choices=KINDS, max_length=32), size=None, verbose_name="events"
                    ),
                ),
                (
                    "enabled",
                    models.BooleanField(default=True, help_text="What happens while it is disabled is not sent later."),
                ),
                ("disabled_reason", models.TextField(blank=True, verbose_name="why it was disabled")),
                ("secret", models.CharField(max_length=100)),
                ("old_secret", models.CharField(blank=True, max_length=100)),
                ("old_secret_until", models.DateTimeField(null=True)),
                ("position", models.BigIntegerField(default=0)),
                ("failures", models.IntegerField(default=0)),
                ("failing_since", models.DateTimeField(null=True)),
                ("wait_until", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(db_default=Now())),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "webhook_endpoints",
                "ordering": ("created_at", "id"),
            },
        ),
        migrations.CreateModel(
            name="WebhookDelivery",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, primary_key=True, serialize=False)),
                ("event_id", models.UUIDField(verbose_name="event")),
                ("kind", models.CharField(choices=KINDS, max_length=32, verbose_name="what happened")),
                ("user_id", models.UUIDField(null=True, verbose_name="user")),
                ("position", models.BigIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "Waiting"), ("delivered", "Delivered"), ("dead", "Given up")],
                        default="waiting",
                        max_length=9,
                    ),
                ),
                ("attempts", models.IntegerField(default=0)),
                ("next_try_at", models.DateTimeField(null=True, verbose_name="next try")),
                ("give_up_at", models.DateTimeField()),
                ("status", models.IntegerField(null=True, verbose_name="answer")),
                ("duration_ms", models.IntegerField(null=True, verbose_name="milliseconds")),
                ("error", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(db_default=Now())),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "endpoint",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="anomalies.webhookendpoint",
                    ),
                ),
            ],
            options={
                "verbose_name": "delivery",
                "verbose_name_plural": "deliveries",
                "db_table": "webhook_deliveries",
                "ordering": ("-created_at", "id"),
            },
        ),
        migrations.CreateModel(
            name="WebhookAttempt",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, primary_key=True, serialize=False)),
                ("user_id", models.UUIDField(null=True)),
                ("number", models.IntegerField()),
                ("at", models.DateTimeField(db_default=Now())),
                ("status", models.IntegerField(null=True, verbose_name="answer")),
                ("duration_ms", models.IntegerField(verbose_name="milliseconds")),
                ("error", models.TextField(blank=True)),
                (
                    "delivery",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="tries",
                        to="anomalies.webhookdelivery",
                    ),
                ),
            ],
            options={
                "db_table": "webhook_attempts",
                "ordering": ("at", "id"),
                "indexes": [models.Index(fields=["delivery", "at", "id"], name="ix_webhook_attempt")],
            },
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(
                condition=models.Q(("next_try_at__isnull", False), ("state", "waiting")),
                fields=["endpoint", "next_try_at"],
                name="ix_webhook_due",
            ),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(
                condition=models.Q(("state", "waiting")),
                fields=["endpoint", "user_id", "position"],
                name="ix_webhook_user",
            ),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(fields=["-created_at", "id"], name="ix_webhook_created"),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(fields=["endpoint", "-created_at", "id"], name="ix_webhook_endpoint_created"),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(
                condition=models.Q(("state", "dead")), fields=["endpoint", "finished_at"], name="ix_webhook_dead"
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookdelivery",
            constraint=models.UniqueConstraint(
                fields=("event_id", "endpoint"), name="an_endpoint_is_told_an_event_once"
            ),
        ),
    ]
