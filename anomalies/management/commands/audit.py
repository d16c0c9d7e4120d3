"""`manage.py audit`: check the chain of the audit log, or show its end."""

import json
import re
import time
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from anomalies import audit_check
from anomalies.models import AuditEntry


def noted(text: str) -> audit_check.Noted:
    """NUMBER:HASH, as `verify` prints it."""
    match = re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})", text)
    if match is None:
        raise ArgumentTypeError("is NUMBER:HASH, as `audit verify` prints it")
    return audit_check.Noted(int(match[1]), match[2])


class Command(BaseCommand):
    help = (
        "Check that no entry of the audit log was changed, removed or swapped. Keep the NUMBER:HASH that it prints "
        "somewhere else: with --expect it also shows that the end was not cut off and the whole not written anew."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        verify = actions.add_parser("verify", help="check the whole chain and name the first broken entry")
        verify.add_argument("--expect", type=noted, metavar="NUMBER:HASH", help="an end of the log noted earlier")
        verify.add_argument("--json", action="store_true", help="print the result as one JSON object")
        tail = actions.add_parser("tail", help="show the latest entries")
        tail.add_argument("--lines", type=int, default=20, help="how many (default: 20)")

    def handle(self, **options: Any) -> None:
        getattr(self, options["action"])(options)

    def verify(self, options: dict[str, Any]) -> None:
        began = time.monotonic()
        checked = audit_check.check(options["expect"])
        seconds = time.monotonic() - began
        broken = checked.broken and _sentence(checked.broken)
        if options["json"]:
            head = str(checked.head)
            told = {"entries": checked.entries, "head": head, "broken": broken, "seconds": seconds}
            self.stdout.write(json.dumps(told))
        elif not broken:
            self.stdout.write(f"{checked.entries:,} entries hold together, checked in {seconds:.1f} s.")
            self.stdout.write(f"The end is {checked.head}")
        if broken:
            raise CommandError(broken)

    def tail(self, options: dict[str, Any]) -> None:
        if options["lines"] < 1:
            raise CommandError("--lines is a number of lines, at least 1.", returncode=2)
        for entry in reversed(AuditEntry.objects.order_by("-position")[: options["lines"]]):
            self.stdout.write(_line(entry))


def _sentence(broken: audit_check.Broken) -> str:
    entry = broken.entry
    which = f"Entry {broken.position}"
    if entry is not None:
        which += f" ({_line(entry)})"
    return f"{which}: {broken.why}. All entries before it hold together."


def _line(entry: AuditEntry) -> str:
    words = [f"{entry.at:%Y-%m-%d %H:%M:%S} UTC", entry.actor or "-", entry.action, entry.subject]
    if entry.case_id:
        words.append(f"case {entry.case_id}")
    # What somebody unknown typed as a name must not steer the terminal.
    return "".join(c if c.isprintable() else "\ufffd" for c in "  ".join(words))
