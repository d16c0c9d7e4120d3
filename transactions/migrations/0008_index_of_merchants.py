from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Payments go on while the index of a large table is built.
    atomic = False

    dependencies = [
        ("transactions", "0007_api_key_scopes"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="transaction",
            index=models.Index(
                "merchant_id",
                "currency",
                models.F("txn_date").desc(),
                models.F("id").desc(),
                name="ix_merchant_currency_date",
                condition=models.Q(merchant_id__isnull=False),
            ),
        ),
    ]
