"""How fast `load_data` loads a file, as a whole and step by step, beside COPY of the same rows unchecked.

    python -m benchmarks.loading FILE [the options of load_data that say the file's shape]

The file must have no bad rows. Works in a schema of its own in the configured database, and drops it.
"""

import argparse
import gc
import os
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "anomaly_server.settings")
django.setup()

from django.core.management import load_command_class  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from anomalies.models import PendingScore  # noqa: E402
from benchmarks.scratch import scratch_schema  # noqa: E402
from transactions import copying, intake, rows  # noqa: E402
from transactions.lines import line  # noqa: E402
from transactions.loading import load, records, sources  # noqa: E402
from transactions.loading.chunks import ROWS_AT_ONCE  # noqa: E402
from transactions.loading.files import FileJob  # noqa: E402
from transactions.loading.options import parse  # noqa: E402
from transactions.loading.shape import Shaper  # noqa: E402
from transactions.loading.summary import FileSummary, Tally  # noqa: E402
from transactions.models import Load  # noqa: E402

# The steps are measured on so many rows.
SAMPLE = 5 * ROWS_AT_ONCE


def arguments() -> argparse.Namespace:
    parser = load_command_class("transactions", "load_data").create_parser("", "load_data")
    return parser.parse_args()


def job_of(options: argparse.Namespace, folder: str) -> FileJob:
    shape = parse(
        columns=options.map,
        constants=options.set,
        meta=options.meta,
        timezone=options.timezone,
        namespace=options.namespace,
    )
    source = sources.examine(options.files[0], kind=options.format, encoding=options.encoding)
    return FileJob(source, shape, options.delimiter, folder)


def told(step: str, count: int, work: Callable[[], Any]) -> Any:
    """What the work gives; its processor time is printed."""
    start = time.process_time()
    given = work()
    print(f"  {step:<26}{(time.process_time() - start) / count * 1e6:6.1f} us a row")
    return given


def in_chunks(write: Callable[[list[rows.Row]], object], good: list[rows.Row]) -> None:
    for start in range(0, len(good), ROWS_AT_ONCE):
        with transaction.atomic():
            write(good[start : start + ROWS_AT_ONCE])


def copy(part: list[rows.Row]) -> None:
    with connection.cursor() as cursor, cursor.copy(copying.COPY) as stream:
        stream.write("".join(map(line, part)))


def emptied() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE transactions, loads, pending_scores")


def whole(job: FileJob) -> None:
    summary = FileSummary(job.name, Tally(), Tally())
    start = time.perf_counter()
    load.run(job, summary=summary, say=print, progress=lambda _: None, should_stop=lambda: False)
    seconds = time.perf_counter() - start
    print(f"load_data: {summary.tally.rows:,} rows in {seconds:.1f} s, {summary.tally.rows / seconds:,.0f} rows/s")
    emptied()


def steps(job: FileJob) -> None:
    """One after the other, in this process; in a load reading to checking goes on while PostgreSQL stores."""
    assert job.binding
    read = records.read(job.source, delimiter=job.delimiter)
    shaper, now = Shaper(job.binding), timezone.now()
    gc.disable()
    print("Processor time of this process:")
    found = told("read", SAMPLE, lambda: list(islice(read, SAMPLE)))
    raw = told("shape", len(found), lambda: [shaper.of(record) for record in found])
    good = told("check", len(found), lambda: [rows.check(one, now=now) for one in raw])
    told("store, mark as pending", len(good), lambda: in_chunks(lambda part: intake.take(part, score=False), good))
    gc.enable()
    read.close()
    emptied()
    start = time.perf_counter()
    in_chunks(copy, good)
    print(f"COPY of {len(good):,} rows, unchecked: {len(good) / (time.perf_counter() - start):,.0f} rows/s")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, scratch_schema("loading_benchmark"):
        with connection.schema_editor() as editor:
            editor.create_model(Load)
            editor.create_model(PendingScore)
        job = job_of(arguments(), folder)
        whole(job)
        steps(job)
        job.source.close()


if __name__ == "__main__":
    main()
