"""The alert budget is changed in the console, and the dashboard asks for cases by day."""

import django.db.models.deletion
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [
        ("anomalies", "0004_reference_version"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.CreateModel(
            name="AlertBudget",
            fields=[
                ("id", models.UUIDField(default=uuid_utils.compat.uuid7, primary_key=True, serialize=False)),
                ("cases_per_day", models.IntegerField()),
                ("since", models.DateTimeField(db_default=Now())),
                (
                    "by",
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
                "db_table": "alert_budgets",
                "ordering": ("-since", "-id"),
                "indexes": [models.Index(fields=["-since", "-id"], name="ix_alert_budget_since")],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(cases_per_day__gte=1) & Q(cases_per_day__lte=1_000_000),
                        name="alert_budget_is_in_range",
                    )
                ],
            },
        ),
        migrations.AddIndex("case", models.Index(fields=["since"], name="ix_case_since")),
    ]
