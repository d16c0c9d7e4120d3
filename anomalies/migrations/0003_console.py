"""How far back a case reaches (older cases gather everything, as they did), and the list of verdicts."""

import datetime

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0002_built_in_model")]
    operations = [
        migrations.AddField(
            model_name="case",
            name="since",
            field=models.DateTimeField(
                "reaches back to",
                help_text="Earlier transactions of the user stay out.",
                default=datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc),
            ),
            preserve_default=False,
        ),
        migrations.AddIndex(
            model_name="verdict", index=models.Index(fields=["-known_at", "id"], name="ix_verdict_known")
        ),
    ]
