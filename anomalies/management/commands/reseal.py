"""`manage.py reseal`: after SECRET_KEY was changed, seal what is sealed in the database with the new one."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from anomalies.webhooks import endpoints


class Command(BaseCommand):
    help = (
        "Seal the secrets of webhook endpoints with SECRET_KEY that were sealed with one of SECRET_KEY_FALLBACKS, "
        "which is not needed for them afterwards. Can be run again at any time."
    )

    def handle(self, **_: Any) -> None:
        done = endpoints.reseal()
        self.stdout.write(f"Sealed anew: {done.secrets}.")
        if done.lost:
            which = ", ".join(str(endpoint.pk) for endpoint in done.lost)
            raise CommandError(
                f"Sealed with a SECRET_KEY that is not among SECRET_KEY_FALLBACKS: {which}. "
                "Add it, or give these endpoints new secrets."
            )
