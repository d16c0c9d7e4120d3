from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Payments go on while the index of a large table is built.
    atomic = False

    dependencies = [
        ("transactions", "0003_load_rejects"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="transaction",
            index=models.Index(models.F("txn_date").desc(), "id", name="ix_transaction_date"),
        ),
    ]
