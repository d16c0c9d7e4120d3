"""The model that needs no training: the sum of surprises. Every score names a model version."""

import uuid

from django.db import migrations

BUILT_IN = uuid.UUID("00000000-0000-7000-8000-000000000001")


def add(apps, schema_editor):
    apps.get_model("anomalies", "ModelVersion").objects.create(id=BUILT_IN, name="surprise-1", state="live")


def remove(apps, schema_editor):
    apps.get_model("anomalies", "ModelVersion").objects.filter(id=BUILT_IN).delete()


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0001_first")]
    operations = [migrations.RunPython(add, remove)]
