"""The index of the newest anomalies holds what the alert threshold is reckoned from."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Anomalies are recorded while the index is built.
    atomic = False

    dependencies = [
        ("anomalies", "0015_weights_of_models"),
    ]
    operations = [
        AddIndexConcurrently(
            "anomaly",
            models.Index(fields=["-txn_date", "transaction"], include=["user_id", "score"], name="ix_anomaly_recent"),
        ),
        RemoveIndexConcurrently("anomaly", name="ix_anomaly_date"),
    ]
