"""Who may review and who may reassign; and the log of what people did."""

from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0005_alert_budget")]
    operations = [
        migrations.AlterModelOptions(
            name="case",
            options={
                "ordering": ("-priority", "id"),
                "permissions": [
                    ("review_case", "Can claim, judge and comment cases"),
                    ("reassign_case", "Can give cases to others and reopen them"),
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                (
                    "position",
                    models.BigIntegerField(primary_key=True, serialize=False, verbose_name="number"),
                ),
                ("at", models.DateTimeField()),
                ("actor_id", models.BigIntegerField(null=True, verbose_name="account")),
                ("actor", models.TextField(verbose_name="by")),
                ("action", models.CharField(max_length=64)),
                ("case_id", models.UUIDField(null=True, verbose_name="case")),
                ("user_id", models.UUIDField(null=True, verbose_name="user")),
                ("subject", models.TextField()),
                ("before", models.JSONField(null=True)),
                ("after", models.JSONField(null=True)),
                ("note", models.TextField()),
                ("address", models.TextField(verbose_name="from")),
                ("previous_hash", models.CharField(max_length=64)),
                ("hash", models.CharField(max_length=64)),
            ],
            options={
                "db_table": "audit_entries",
                "verbose_name_plural": "audit entries",
                "ordering": ("-position",),
                "indexes": [
                    models.Index(
                        "case_id", F("position").desc(), condition=Q(case_id__isnull=False), name="ix_audit_case"
                    ),
                    models.Index(
                        "user_id", F("position").desc(), condition=Q(user_id__isnull=False), name="ix_audit_user"
                    ),
                    models.Index("actor", F("position").desc(), name="ix_audit_actor"),
                    models.Index("action", F("position").desc(), name="ix_audit_action"),
                ],
            },
        ),
    ]
