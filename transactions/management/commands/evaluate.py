"""`manage.py evaluate`: how well the scores find labelled frauds."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from anomalies import budget
from scoring.evaluation import LABEL_DELAY_DAYS
from transactions import merchants, pieces
from transactions.evaluating.failures import EvaluationFailed, usage
from transactions.evaluating.gather import Progress, gathered, period
from transactions.evaluating.labels import FileOptions, Labels, from_file, from_verdicts
from transactions.evaluating.measure import Ask, Evaluation, evaluate
from transactions.evaluating.rivals import chosen, rivals
from transactions.evaluating.table import lines
from transactions.stopping import stop_requests

OF_FILES = ("id", "kind", "fraud_column", "namespace")


class Command(BaseCommand):
    help = (
        "Measure how well the live model, those in shadow and the rolling-mean rule find known frauds: of a CSV file, "
        "or of the verdicts. Only reads. docs/evaluate.md says what the figures mean."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("--labels", type=Path, metavar="FILE", help="CSV of frauds, gzipped or not (default: the verdicts)")
        add("--id", default="", metavar="COLUMN", help="its column of transactions' ids (default: transaction_id)")
        add("--kind", default="", metavar="COLUMN", help="its column of kinds, to measure each one apart too")
        add("--fraud-column", default="", metavar="COLUMN", help="its column of 1 and 0, if not every row is a fraud")
        add("--namespace", default="", metavar="NAME", help="as given to load_data, for ids that are no UUIDs")
        add("--from", dest="first", type=_day, metavar="YYYY-MM-DD", help="first day (default: 28 days up to the last)")
        add("--to", dest="last", type=_day, metavar="YYYY-MM-DD", help="last day (default: that of the newest row)")
        add("--delay-days", type=_count(0, 365), metavar="N",
            help="days until a fraud is known (default: of a file 7; of verdicts, when each became known)")  # fmt: skip
        add("--model", action="append", default=[], dest="models", metavar="NAME",
            help="a model to measure, once for each (default: the live one and all in shadow)")  # fmt: skip
        add("--cards", type=_count(1, 1_000_000), default=100, metavar="K", help="the K of CP@K (default: 100)")
        add("--budget", type=_count(1, 1_000_000), metavar="N",
            help="cases a day for recall and precision (default: the alert budget)")  # fmt: skip
        add("--resamples", type=_count(0, 100_000), default=200, metavar="N",
            help="draws of users for the intervals, 0 for none (default: 200)")  # fmt: skip
        add("--seed", type=_count(0, 2**32 - 1), default=0, metavar="N", help="of the draws (default: 0)")
        add("--json", action="store_true", help="print one JSON object")
        add("--html", type=Path, metavar="FILE", help="also write a report with plots, which needs no other file")

    def handle(self, **options: Any) -> None:
        try:
            with stop_requests() as should_stop:
                found = _evaluated(options, should_stop)
            if options["html"]:
                _write_report(found, options["html"])
        except EvaluationFailed as failed:
            raise CommandError(str(failed), returncode=failed.exit_code) from failed
        self.stdout.write(json.dumps(found.as_json()) if options["json"] else "\n".join(lines(found)))
        if options["html"]:
            self.stderr.write(f"The report is in {options['html']}.")


def _evaluated(options: dict[str, Any], should_stop: Callable[[], bool]) -> Evaluation:
    if options["first"] and options["last"] and options["first"] > options["last"]:
        raise usage("--from is after --to.")
    # Told before minutes of work.
    if options["html"] and not options["html"].absolute().parent.is_dir():
        raise usage(f"--html: there is no folder {options['html'].absolute().parent}.")
    models = chosen(options["models"])
    delay = LABEL_DELAY_DAYS if options["labels"] and options["delay_days"] is None else options["delay_days"]
    asked = period(options["first"], options["last"], delay)
    labels = _labels(options)
    ask = Ask(options["cards"], options["budget"] or budget.newest_or_setting(), options["resamples"], options["seed"])
    with merchants.stretches(users=len(pieces.everybody())) as stretches:
        measured = rivals(models, asked.since, asked.until, stretches)
        with tqdm(unit=" users", disable=None, desc="Scoring") as bar:
            rows = gathered(asked, labels, measured, stretches, _shown_by(bar, should_stop))
    with tqdm(unit=" kinds", disable=None, desc="Measuring") as bar:
        return evaluate(rows, labels, measured, asked, ask, _shown_by(bar, should_stop))


def _labels(options: dict[str, Any]) -> Labels:
    if options["labels"]:
        return from_file(
            FileOptions(
                path=options["labels"],
                id=options["id"] or "transaction_id",
                kind=options["kind"],
                fraud=options["fraud_column"],
                namespace=options["namespace"],
            )
        )
    given = [name for name in OF_FILES if options[name]]
    if given:
        raise usage(f"--{given[0].replace('_', '-')} tells how to read a file: add --labels FILE.")
    return from_verdicts()


def _write_report(found: Evaluation, path: Path) -> None:
    # Here, because the plots' library takes a second to load.
    from transactions.evaluating.report import html

    try:
        path.write_text(html(found), encoding="utf-8")
    except OSError as error:
        raise EvaluationFailed(f"{path} cannot be written: {error.strerror}.") from error


def _shown_by(bar: "tqdm[Any]", should_stop: Callable[[], bool]) -> Progress:
    def progress(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if should_stop():
            raise EvaluationFailed("Stopped as asked.")

    return progress


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError("a day such as 2026-01-31") from None


def _count(low: int, high: int) -> Callable[[str], int]:
    def count(text: str) -> int:
        if not text.isascii() or not text.isdigit() or len(text) > 12 or not low <= int(text) <= high:
            raise ArgumentTypeError(f"a whole number from {low} to {high}")
        return int(text)

    return count
