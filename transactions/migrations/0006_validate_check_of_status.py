from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    # On its own, so that the stored rows are read under a lock that lets payments go on.

    dependencies = [
        ("transactions", "0005_quicker_check_of_status"),
    ]

    operations = [
        ValidateConstraint(model_name="transaction", name="status_is_a_code"),
    ]
