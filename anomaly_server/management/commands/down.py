"""`manage.py down`: what `make stop` does."""

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from anomaly_server import running


class Command(BaseCommand):
    help = "End the server and the worker that `up` started, and the embedded PostgreSQL."
    requires_system_checks = ()

    def handle(self, **_options: Any) -> None:
        ended = running.end(running.path())
        self.stdout.write("The server is stopped." if ended else "No server was running.")
        if not settings.DATABASE_URL:
            call_command("db", "stop")
