"""`manage.py worker`: the background work, until it is stopped."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector

from anomalies.webhooks import courier


class Command(BaseCommand):
    help = (
        "Do the background work: score what waits, send webhooks. Ends the job at hand and stops on SIGTERM or Ctrl-C."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="do what is queued, then stop")

    def handle(self, **options: Any) -> None:
        connector = app.connector
        assert isinstance(connector, DjangoConnector)
        is_once = options["once"]
        with app.replace_connector(connector.get_worker_connector()), courier.delivering(waits=not is_once):
            # Jobs that succeeded are gone from the queue: it stays as small as the work that is left.
            app.run_worker(wait=not is_once, delete_jobs="successful", listen_notify=True)
