"""References of an earlier version stay where they are, and those of the new one are built beside them."""

from django.db import migrations, models

# The payload is JSON that begins with its version.
FROM_PAYLOAD = """
    UPDATE scoring_references
    SET version = substring(convert_from(payload, 'UTF8') FROM '^{"version":([0-9]{1,4})')::smallint
    WHERE payload LIKE '{"version":_%'::bytea
"""


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0003_console")]
    operations = [
        migrations.AddField(
            model_name="reference",
            name="version",
            field=models.SmallIntegerField(db_default=1, help_text="Of the format of the payload."),
        ),
        migrations.RunSQL(FROM_PAYLOAD, migrations.RunSQL.noop),
        migrations.RemoveConstraint(model_name="reference", name="one_reference_ends_at_an_instant"),
        migrations.AddConstraint(
            model_name="reference",
            constraint=models.UniqueConstraint(
                fields=("until", "version"), name="one_reference_of_a_version_ends_at_an_instant"
            ),
        ),
    ]
