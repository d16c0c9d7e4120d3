"""Which analyst skipped which case; verdicts that are taken back."""

import django.db.models.deletion
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("anomalies", "0007_queue"),
    ]
    operations = [
        migrations.AlterField(
            model_name="verdict",
            name="value",
            field=models.CharField(
                choices=[
                    ("fraud", "Fraud"),
                    ("legitimate", "Legitimate"),
                    ("expected", "Expected (odd, but fine for this user)"),
                    ("unsure", "Unsure"),
                    ("withdrawn", "Withdrawn"),
                ],
                max_length=10,
            ),
        ),
        migrations.CreateModel(
            name="CaseSkip",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid_utils.compat.uuid7, primary_key=True, serialize=False),
                ),
                ("until", models.DateTimeField()),
                (
                    "analyst",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="anomalies.case",
                    ),
                ),
            ],
            options={
                "db_table": "case_skips",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("analyst", "case"), name="a_case_is_skipped_once_by_an_analyst"
                    ),
                ],
            },
        ),
    ]
