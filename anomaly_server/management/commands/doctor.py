"""`manage.py doctor`: look at an installation, and say what to do."""

import json
import sys
from argparse import ArgumentParser
from collections import Counter
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from anomaly_server.doctor.examine import everything
from anomaly_server.doctor.findings import Finding, Level


class Command(BaseCommand):
    help = (
        "Look at the settings, the packages, the database and the background work, and say what to do about what is "
        "wrong. Changes nothing. Exit code 1 if there is an error; warnings are none."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the result as one JSON object")

    def handle(self, **options: Any) -> None:
        found = []
        for one in everything():
            found.append(one)
            if not options["json"]:
                self.tell(one)
        levels = Counter(one.level for one in found)
        if options["json"]:
            self.stdout.write(json.dumps({"ok": not levels[Level.ERROR], "checks": [asdict(one) for one in found]}))
        else:
            told = f"{levels[Level.OK]} ok, {levels[Level.WARNING]} to look at, {levels[Level.ERROR]} wrong."
            self.stdout.write(told)
        if levels[Level.ERROR]:
            sys.exit(1)

    def tell(self, one: Finding) -> None:
        self.stdout.write(f"{one.level:<8} {one.check:<14} {one.says}")
        if one.do:
            self.stdout.write(f"{'':<24}{one.do}")
