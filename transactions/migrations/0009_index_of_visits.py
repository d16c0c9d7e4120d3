from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Collate


class Migration(migrations.Migration):
    # Payments go on, and are scored, while the index of a large table is built.
    atomic = False

    dependencies = [
        ("transactions", "0008_index_of_merchants"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="transaction",
            index=models.Index(
                Collate("merchant_id", "C"),
                Collate("currency", "C"),
                models.F("txn_date").desc(),
                models.F("id").desc(),
                name="ix_merchant_visits",
                include=["amount"],
                condition=models.Q(merchant_id__isnull=False),
            ),
        ),
        RemoveIndexConcurrently(model_name="transaction", name="ix_merchant_currency_date"),
    ]
