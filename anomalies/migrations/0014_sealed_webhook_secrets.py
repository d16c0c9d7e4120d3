"""Secrets of webhook endpoints are sealed: a copy of the database does not hand them out.

As `anomalies.sealing` does it. Backwards they are opened, which needs the SECRET_KEY that sealed them.
"""

from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import migrations, models

PURPOSE = b"anomaly-server: sealed in the database"


def keys():
    found = []
    for secret_key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        derived = HKDF(SHA256(), length=32, salt=None, info=PURPOSE).derive(secret_key.encode())
        found.append(Fernet(urlsafe_b64encode(derived)))
    return MultiFernet(found)


def change_all(apps, change):
    for endpoint in apps.get_model("anomalies", "WebhookEndpoint").objects.all():
        endpoint.secret = change(endpoint.secret)
        endpoint.old_secret = endpoint.old_secret and change(endpoint.old_secret)
        endpoint.save(update_fields=["secret", "old_secret"])


def seal(apps, _editor):
    key = keys()
    change_all(apps, lambda text: key.encrypt(text.encode()).decode())


def unseal(apps, _editor):
    key = keys()
    change_all(apps, lambda sealed: key.decrypt(sealed).decode())


class Migration(migrations.Migration):
    dependencies = [
        ("anomalies", "0013_webhook_waiting"),
    ]
    operations = [
        migrations.AlterField("webhookendpoint", "secret", models.TextField()),
        migrations.AlterField("webhookendpoint", "old_secret", models.TextField(blank=True)),
        migrations.RunPython(seal, unseal),
        # Whoever still runs yesterday's program fails, instead of signing with what is sealed.
        migrations.RenameField("webhookendpoint", "secret", "sealed_secret"),
        migrations.RenameField("webhookendpoint", "old_secret", "sealed_old_secret"),
    ]
