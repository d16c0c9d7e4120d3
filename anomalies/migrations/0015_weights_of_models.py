"""Models with weights: references belong to a model, and models follow on one another at an instant.

Reversing keeps the references of other models than the built-in one under versions that nothing reads, because
anomalies name them.
"""

import uuid
from datetime import UTC, datetime

import django.db.models.deletion
from django.db import migrations, models

BUILT_IN = uuid.UUID("00000000-0000-7000-8000-000000000001")
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
SET_ASIDE = """
    UPDATE scoring_references AS kept
    SET version = -other.place
    FROM (
        SELECT id, row_number() OVER (PARTITION BY until ORDER BY id) AS place
        FROM scoring_references WHERE model_version_id <> '00000000-0000-7000-8000-000000000001'
    ) AS other
    WHERE kept.id = other.id
"""


def begin(apps, _editor):
    apps.get_model("anomalies", "ModelVersion").objects.filter(state="live").update(live_from=ALWAYS)


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0014_sealed_webhook_secrets")]
    operations = [
        migrations.AddField(
            model_name="modelversion",
            name="weights",
            field=models.JSONField(default=dict, help_text="Of the groups of evidence; one that is missing counts 1."),
        ),
        migrations.AddField(
            model_name="modelversion",
            name="live_from",
            field=models.DateTimeField(null=True, verbose_name="judges payments from"),
        ),
        migrations.RunPython(begin, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="modelversion",
            constraint=models.UniqueConstraint(fields=("live_from",), name="one_model_goes_live_at_an_instant"),
        ),
        migrations.AddConstraint(
            model_name="modelversion",
            constraint=models.CheckConstraint(
                condition=models.Q(live_from__isnull=True, state="shadow")
                | models.Q(live_from__isnull=False, state="live")
                | models.Q(state="retired"),
                name="model_is_live_from_an_instant",
            ),
        ),
        migrations.AddField(
            model_name="reference",
            name="model_version",
            field=models.ForeignKey(
                db_default=BUILT_IN,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="references",
                to="anomalies.modelversion",
            ),
        ),
        migrations.RemoveConstraint(model_name="reference", name="one_reference_of_a_version_ends_at_an_instant"),
        # When reversed, before the constraint is back: then every instant has one reference of a version again.
        migrations.RunSQL(migrations.RunSQL.noop, SET_ASIDE),
        migrations.AddConstraint(
            model_name="reference",
            constraint=models.UniqueConstraint(
                fields=("model_version", "until", "version"), name="one_reference_of_a_model_ends_at_an_instant"
            ),
        ),
    ]
