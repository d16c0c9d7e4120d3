"""`manage.py score`: score every transaction that waits."""

import json
import os
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from tqdm import tqdm

from transactions.backlog import Summary, score_pending
from transactions.stopping import stop_requests


class Command(BaseCommand):
    help = (
        "Score the transactions that wait: those that load_data stored, and those that a late one may have changed. "
        "Can be stopped (Ctrl-C, SIGTERM) and started again at any time, and run several times at once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        shared = "processes that share the work (default: the cores)"
        parser.add_argument("--workers", type=_count, default=cores(), metavar="N", help=shared)
        parser.add_argument("--json", action="store_true", help="print the summary as one JSON object")

    def handle(self, **options: Any) -> None:
        summary = scored_with_progress(workers=options["workers"])
        self.stdout.write(json.dumps(asdict(summary)) if options["json"] else sentence(summary))


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 256:
        raise ArgumentTypeError("a whole number from 1 to 256")
    return int(text)


def scored_with_progress(*, workers: int | None = None) -> Summary:
    """`score_pending` on all cores, with a bar on a terminal; stops between two batches when asked to."""
    with tqdm(unit=" users", disable=None, desc="Scoring") as bar, stop_requests() as should_stop:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return score_pending(progress=show, should_stop=should_stop, workers=workers or cores())


def sentence(summary: Summary) -> str:
    """The one line at the end."""
    stopped = "Stopped; run `manage.py score` to go on. " if summary.stopped else ""
    early = f", {summary.unscored:,} lie before the first reference" if summary.unscored else ""
    return (
        f"{stopped}Scored {summary.scored:,} transactions of {summary.users:,} users in {summary.seconds:.1f} s: "
        f"{summary.anomalies:,} anomalies, {summary.cases:,} new cases{early}."
    )
