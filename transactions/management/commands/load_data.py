"""`manage.py load_data`: load files of transactions, or the demo data."""

import json
import time
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from tqdm import tqdm

from transactions import demo
from transactions.loading import load
from transactions.loading.failures import LoadFailed, usage
from transactions.loading.files import FileJob, check_rejects_at
from transactions.loading.load import Job
from transactions.loading.options import Shape, parse
from transactions.loading.sources import ENCODINGS, FORMATS, STDIN, examine
from transactions.loading.summary import FileSummary, Summary, Tally
from transactions.management.commands.score import scored_with_progress
from transactions.management.commands.score import sentence as scored_sentence
from transactions.stopping import stop_requests

EXAMPLES = """
Examples:
  manage.py load_data payments.csv
  manage.py load_data shop-*.csv.gz --map id=ORDER,user_id=CUSTOMER,amount=TOTAL,txn_date=PAID_AT \\
      --meta merchant_id=SHOP --set currency=EUR --set status=completed --timezone Europe/Berlin --namespace shop
  zcat export.ndjson.gz | manage.py load_data - --dry-run
  manage.py load_data --demo

Exit codes: 0 done (rows may have been rejected, but not all), 1 failed or stopped, 2 wrong use.
docs/loading.md tells all of it; docs/demo.md the demo data.
"""

GO_ON = " Run the same command again to go on."
DEMO_NUMBERS = ("users", "days", "seed", "end")
FILE_OPTIONS = ("files", "map", "set", "meta", "timezone", "namespace", "format", "delimiter", "rejects", "max_rejects")


class Command(BaseCommand):
    help = (
        "Load transactions from CSV or NDJSON files, gzipped or not, or from standard input (-). Every row is checked; "
        "refused rows go to a reject file that can be mended and loaded. Can be killed and run again at any time: "
        "it goes on where it was, and nothing is stored twice."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name, subcommand, epilog=EXAMPLES, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("files", nargs="*", metavar="FILE", help="files to load; - is standard input")
        add("--map", action="append", default=[], metavar="FIELD=COLUMN,…", help="which column is which field")
        add("--set", action="append", default=[], metavar="FIELD=VALUE", help="a value that is the same in all rows")
        add("--meta", action="append", default=[], metavar="[KEY=]COLUMN,…",
            help="columns for meta_data; 'all' (the default) means all further ones, 'none' none")  # fmt: skip
        add("--timezone", default="", metavar="ZONE", help="zone of times without offset, such as Europe/Berlin")
        add("--namespace", default="", metavar="NAME", help="turn identifiers that are no UUIDs into UUIDv5 of NAME")
        add("--format", default="", choices=FORMATS, help="instead of going by the file's name and beginning")
        add("--encoding", default="utf-8", choices=ENCODINGS, help="of the files (default: utf-8)")
        add("--delimiter", default="", type=_delimiter, metavar="CHAR", help="of CSV cells; found out if not given")
        add("--rejects", default="", metavar="PATH", help="reject file, or folder for them; default: beside each file")
        add("--max-rejects", type=_count, metavar="N", help="stop as soon as more than N rows of a file are rejected")
        add("--again", action="store_true", help="read files anew that were loaded before, in whole or in part")
        add("--dry-run", action="store_true", help="check and compare everything, store nothing")
        _add_demo_arguments(parser)
        add("--no-score", action="store_true", help="leave scoring to `manage.py score` or the worker")
        add("--json", action="store_true", help="print the summary as one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        summary, began = Summary(dry_run=options["dry_run"]), time.monotonic()
        failure: LoadFailed | None = None
        try:
            with stop_requests() as should_stop:
                _Run(options, summary, self.stderr.write, should_stop).all()
        except LoadFailed as failed:
            failure = failed
        except KeyboardInterrupt:
            failure = LoadFailed("Interrupted within a chunk, which was taken back. Run the same command to go on.")
        summary.seconds = time.monotonic() - began
        self._tell(summary, failure, as_json=options["json"])
        if failure:
            raise CommandError(str(failure), returncode=failure.exit_code)
        if not options["dry_run"] and not options["no_score"]:
            self._score(as_json=options["json"])

    def _score(self, *, as_json: bool) -> None:
        try:
            scored = scored_with_progress()
        except (DatabaseError, psycopg.Error) as error:
            reason = str(error).strip().split("\n")[0]
            raise CommandError(f"All rows are loaded, but scoring failed ({reason}): run `manage.py score`.") from error
        (self.stderr if as_json else self.stdout).write(scored_sentence(scored))

    def _tell(self, summary: Summary, failure: LoadFailed | None, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({**summary.as_json(), "error": str(failure) if failure else None}))
        elif summary.files:
            for note in summary.notes():
                self.stderr.write(note)
            self.stdout.write(summary.sentence())


class _Run:
    """The files one after the other. All are examined before the first row is stored."""

    def __init__(
        self, options: dict[str, Any], summary: Summary, say: Callable[[str], object], should_stop: Callable[[], bool]
    ) -> None:
        self.options, self.summary, self.say, self.should_stop = options, summary, say, should_stop
        self.examined = ExitStack()

    def all(self) -> None:
        """Raises LoadFailed."""
        with self.examined:
            self._all()

    def _all(self) -> None:
        for job in self._jobs():
            self.summary.files.append(FileSummary(job.name, Tally(), Tally()))
            unit = " rows" if self.options["demo"] else "B"
            with tqdm(total=job.size, unit=unit, unit_scale=True, disable=None, desc=job.name) as bar:
                self._one(job, self.summary.files[-1], _shown_by(bar))
            if not self.summary.files[-1].finished:
                self.summary.stopped = True
                raise LoadFailed(f"Stopped as asked.{'' if self.options['dry_run'] else GO_ON}")
        total = self.summary.total()
        if total.rows and not total.accepted + total.duplicate:
            raise LoadFailed("Not one row could be taken: do the options fit the file?")

    def _one(self, job: Job, summary: FileSummary, progress: load.Progress) -> None:
        limits = {"max_rejects": self.options["max_rejects"], "progress": progress, "should_stop": self.should_stop}
        if self.options["dry_run"]:
            load.rehearse(job, summary=summary, **limits)
        else:
            load.run(job, summary=summary, again=self.options["again"], say=self.say, **limits)

    def _jobs(self) -> list[Job]:
        options = self.options
        check_demo_options(options)
        if options["demo"]:
            return [self._demo()]
        shape = parse(
            columns=options["map"],
            constants=options["set"],
            meta=options["meta"],
            timezone=options["timezone"],
            namespace=options["namespace"],
        )
        if not options["files"]:
            raise usage("Name the files to load, or - for standard input.")
        if options["files"].count(STDIN) > 1:
            raise usage("Standard input (-) can be read only once.")
        check_rejects_at(options["rejects"], len(options["files"]))
        return [self._examined(name, shape) for name in options["files"]]

    def _demo(self) -> Job:
        job = demo.demo(labels_path=self.options["labels"], **{name: self.options[name] for name in DEMO_NUMBERS})
        if not self.options["dry_run"]:
            # Before the rows: whoever finds the rows finds the labels.
            self.say(f"{job.write_labels():,} of {job.size:,} rows are planted anomalies; see {job.labels_path}.")
        return job

    def _examined(self, name: str, shape: Shape) -> Job:
        options = self.options
        with tqdm(unit="B", unit_scale=True, disable=None, leave=False, desc=f"Reading {name}") as bar:

            def progress(done: int, size: int) -> None:
                bar.total = size
                bar.update(done - bar.n)
                if self.should_stop():
                    raise LoadFailed("Stopped as asked. Nothing was loaded.")

            source = examine(name, kind=options["format"], encoding=options["encoding"], progress=progress)
        self.examined.callback(source.close)
        return FileJob(source, shape, options["delimiter"], options["rejects"])


def _add_demo_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument_group("demo data").add_argument
    add("--demo", action="store_true", help="load made-up payments with planted anomalies instead of files")
    add("--users", type=_count, metavar="N", help=f"how many people (default: {demo.USERS:,})")
    add("--days", type=_count, metavar="N", help=f"how many days of their lives (default: {demo.DAYS})")
    add("--seed", type=_count, metavar="N", help=f"another number, other people (default: {demo.SEED})")
    add("--end", type=_midnight, metavar="YYYY-MM-DD", help="midnight UTC at which they end (default: the last hour)")
    add("--labels", default="", metavar="PATH", help="where the planted are named (default: var/demo-labels.csv)")


def check_demo_options(options: dict[str, Any]) -> None:
    """Raises LoadFailed (usage) where options of files and of the demo data are mixed."""
    excluded = FILE_OPTIONS if options["demo"] else (*DEMO_NUMBERS, "labels")
    given = [name for name in excluded if options[name] not in (None, "", [])]
    if given and options["demo"]:
        told = "the files" if given[0] == "files" else f"--{given[0].replace('_', '-')}"
        raise usage(f"--demo makes its own data: leave {told} out.")
    if given:
        raise usage(f"--{given[0]} is for the demo data: add --demo.")


def _midnight(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise ArgumentTypeError("a day such as 2026-01-31") from None


def _shown_by(bar: "tqdm[Any]") -> load.Progress:
    def progress(position: int) -> None:
        bar.update(position - bar.n)

    return progress


def _delimiter(text: str) -> str:
    named = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if text and (len(named) != 1 or named in '"\r\n'):
        raise ArgumentTypeError("one character, or 'tab'")
    return named


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ArgumentTypeError("a whole number, 0 or more")
    return int(text)
