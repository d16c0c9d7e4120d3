"""`manage.py reference build`: build the references that are due."""

import json
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from transactions import norms


class Command(BaseCommand):
    help = (
        "References say what was normal in the weeks before a date; transactions from then on are measured against "
        "them. The worker builds them when they become due, and `score` before it begins. A stored one never changes."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["build"], help="build those that are due, now")
        parser.add_argument("--json", action="store_true", help="print the summary as one JSON object")

    def handle(self, **options: Any) -> None:
        began = time.monotonic()
        built = norms.build_due()
        seconds = time.monotonic() - began
        if options["json"]:
            self.stdout.write(json.dumps({"built": built, "seconds": seconds}))
        else:
            self.stdout.write(f"Built {built} reference{'' if built == 1 else 's'} in {seconds:.1f} s.")
