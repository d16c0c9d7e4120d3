"""Records in chunks: shaped, checked, with the place where reading goes on after each."""

import threading
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from queue import Full, Queue

from django.utils import timezone

from transactions.loading.records import Record, Records
from transactions.loading.rejects import Reject
from transactions.loading.shape import Shaper
from transactions.rows import BadRow, Problem, Row, check

ROWS_AT_ONCE = 20_000
# Bounds the memory where rows are long.
BYTES_AT_ONCE = 16 << 20


@dataclass(slots=True)
class Chunk:
    """Rows that commit together. `records` belong to `rows`, one by one; reading goes on at `position`."""

    rows: list[Row] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    position: int = 0
    line: int = 0


def cut(records: Records, shaper: Shaper, *, max_rejects: int | None = None) -> Generator[Chunk]:
    """The records in chunks. A chunk ends with the reject that is one too many, if there is one."""
    left = max_rejects
    chunk, began, now = Chunk(), records.position, timezone.now()
    for record in records:
        _judge(record, shaper, chunk, now)
        too_many = left is not None and len(chunk.rejects) > left
        full = len(chunk.rows) + len(chunk.rejects) >= ROWS_AT_ONCE or records.position - began >= BYTES_AT_ONCE
        if full or too_many:
            chunk.position, chunk.line = records.position, records.line
            yield chunk
            left = None if left is None else max(left - len(chunk.rejects), -1)
            chunk, began, now = Chunk(), records.position, timezone.now()
    chunk.position, chunk.line = records.position, records.line
    yield chunk


def _judge(record: Record, shaper: Shaper, chunk: Chunk, now: datetime) -> None:
    if record.fault:
        chunk.rejects.append(Reject(record, [Problem("", *record.fault)]))
        return
    try:
        row = check(shaper.of(record), now=now)
    except BadRow as bad:
        chunk.rejects.append(Reject(record, bad.problems))
        return
    chunk.rows.append(row)
    chunk.records.append(record)


def ahead(chunks: Generator[Chunk]) -> Generator[Chunk]:
    """The same chunks, each made while the database stores the one before it."""
    made: Queue[Chunk | BaseException | None] = Queue(maxsize=1)
    over = threading.Event()

    def put(item: Chunk | BaseException | None) -> bool:
        while not over.is_set():
            try:
                made.put(item, timeout=0.1)
            except Full:
                continue
            return True
        return False

    def make() -> None:
        try:
            with closing(chunks):
                for chunk in chunks:
                    if not put(chunk):
                        return
        except BaseException as error:
            put(error)
        else:
            put(None)

    maker = threading.Thread(target=make, name="load_data-reader", daemon=True)
    maker.start()
    try:
        while (item := made.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        over.set()
        maker.join()
