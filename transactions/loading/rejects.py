"""The reject file: the rows that were refused, each with the reason, in a form that can be mended and loaded.

It has the source's format, delimiter and encoding, the source's own columns first and then `REJECT_COLUMNS`,
which the loader passes over. A chunk's rejects reach the disk before the chunk commits, and how far the file
went commits with it: what a killed load wrote beyond that is cut off by the next. Its name commits before there is a
file of that name, and longer than there is one, so a killed load leaves no file that the next does not know.
"""

import csv
import io
import json
import os
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import BinaryIO, NamedTuple

from transactions.loading.failures import LoadFailed
from transactions.loading.records import REJECT_COLUMNS, REJECT_LINE, Record
from transactions.rows import Problem

BLOCK = 1 << 20


class Reject(NamedTuple):
    """A record that was refused, and everything that is wrong with it."""

    record: Record
    problems: Sequence[Problem]


class Mark(NamedTuple):
    """How far a reject file went: the path of the file, its length, and a checksum of so many bytes."""

    path: str = ""
    size: int = 0
    crc: int = 0


NOTHING = Mark()
# Commits a mark.
Keep = Callable[[Mark], None]
# The checksum of a file that may not be there yet, or no more; that of no bytes is 0.
ONLY_NAMED = 1


@dataclass(slots=True)
class RejectFile:
    """Made at the first of the `wanted` places that can be written to.

    A file that is already there belongs to somebody, who may be mending it: then ours gets a number.
    """

    wanted: Sequence[Path]
    columns: Sequence[str]
    is_csv: bool
    delimiter: str = ","
    encoding: str = "utf-8"
    mark: Mark = NOTHING
    file: BinaryIO | None = field(default=None, init=False)

    def begin(self, mark: Mark, keep: Keep) -> None:
        """Go on after `mark` if the file is as it was then, or else begin a new, empty one.

        Raises LoadFailed if no file can be made.
        """
        self.mark = mark
        if not (mark.path and self._goes_on(Path(mark.path))):
            self._create(keep)
        keep(self.mark)

    def append(self, rejects: Sequence[Reject]) -> Mark:
        """Write the rejects through to the disk; the mark after them."""
        if not rejects or not self.file:
            return self.mark
        text = self._csv(rejects) if self.is_csv else "".join(map(_ndjson, rejects))
        data = text.encode(self.encoding, "backslashreplace")
        try:
            self.file.seek(self.mark.size)
            self.file.write(data)
            self.file.flush()
            os.fsync(self.file.fileno())
        except OSError as error:
            raise LoadFailed(f"The rejected rows cannot be written to {self.mark.path}: {error.strerror}.") from error
        self.mark = Mark(self.mark.path, self.mark.size + len(data), zlib.crc32(data, self.mark.crc))
        return self.mark

    def remove(self, keep: Keep) -> None:
        """Take away a file that nothing was written to."""
        keep(_named(self.mark.path))
        Path(self.mark.path).unlink(missing_ok=True)
        self.mark = NOTHING
        keep(self.mark)

    def close(self) -> None:
        """Close the file, if there is one."""
        if self.file:
            self.file.close()
            self.file = None

    def _goes_on(self, path: Path) -> bool:
        if not any(_is_numbered(path, wanted) for wanted in self.wanted) or not path.is_file():
            return False
        if self.mark == _named(self.mark.path):
            # Nothing is written to one that is only named: what has content is somebody else's.
            if path.stat().st_size:
                return False
            self.mark = Mark(self.mark.path)
        file = open(path, "r+b")
        if _crc(file, self.mark.size) != self.mark.crc:
            file.close()
            return False
        file.truncate(self.mark.size)
        self.file = file
        return True

    def _create(self, keep: Keep) -> None:
        for wanted in self.wanted:
            try:
                wanted.parent.mkdir(parents=True, exist_ok=True)
                self.file = _new(wanted, keep)
            except OSError as error:
                failure = error
                continue
            self.mark = Mark(str(Path(self.file.name).resolve()))
            return
        raise LoadFailed(f"The reject file {self.wanted[0]} cannot be made: {failure.strerror}. Give --rejects PATH.")

    def _csv(self, rejects: Sequence[Reject]) -> str:
        own = [number for number, column in enumerate(self.columns) if column not in REJECT_COLUMNS]
        line_at = self.columns.index(REJECT_LINE) if REJECT_LINE in self.columns else None
        rows = [] if self.mark.size else [[*(self.columns[number] for number in own), *REJECT_COLUMNS]]
        for record, problems in rejects:
            cells = record.content
            line = cells[line_at] if line_at is not None and line_at < len(cells) else ""
            known = [cells[number] if number < len(cells) else "" for number in own]
            rows.append([*known, str(line or record.line), *_reasons(problems), record.raw])
        return "".join(_csv_line(row, self.delimiter) for row in rows)


def _csv_line(cells: Sequence[str], delimiter: str) -> str:
    text = io.StringIO()
    # Python quotes a carriage return only if it is part of the line's end.
    every = any("\r" in cell for cell in cells)
    csv.writer(
        text, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL if every else csv.QUOTE_MINIMAL
    ).writerow(cells)
    return text.getvalue()


def _ndjson(reject: Reject) -> str:
    """The row's own text with the reasons at its end; a text that is no object whole, under `reject_raw`."""
    record = reject.record
    own, content = record.raw, record.content or {}
    line = content.get(REJECT_LINE, record.line)
    reasons = dict(zip(REJECT_COLUMNS, (line, *_reasons(reject.problems)), strict=False))
    if record.content is None:
        return json.dumps({**reasons, REJECT_COLUMNS[-1]: own}) + "\n"
    if REJECT_LINE in content:  # mended before, but not well: those reasons end the text
        own = own[: own.rfind(f'"{REJECT_LINE}"')].rstrip(" ,") + "}"
    own = own[:-1].rstrip()
    return own + ("" if own == "{" else ", ") + json.dumps(reasons)[1:] + "\n"


def _reasons(problems: Sequence[Problem]) -> tuple[str, str, str]:
    return (
        "; ".join(problem.field for problem in problems),
        "; ".join(problem.code for problem in problems),
        " ".join(problem.detail for problem in problems),
    )


def _new(wanted: Path, keep: Keep) -> BinaryIO:
    path = wanted
    for number in count(2):
        if not os.path.lexists(path):
            keep(_named(str(path.resolve())))
            # Somebody may have made one meanwhile.
            with suppress(FileExistsError):
                return open(path, "x+b")
        path = wanted.with_name(f"{wanted.stem}.{number}{wanted.suffix}")
    raise AssertionError  # there is always a next number


def _named(path: str) -> Mark:
    return Mark(path, crc=ONLY_NAMED)


def _is_numbered(path: Path, wanted: Path) -> bool:
    """Whether `path` is `wanted` or one that got a number because that was taken."""
    wanted = wanted.resolve()
    number = path.stem.removeprefix(f"{wanted.stem}.")
    return path == wanted or (path.parent == wanted.parent and path.suffix == wanted.suffix and number.isdigit())


def _crc(file: BinaryIO, size: int) -> int | None:
    """The checksum of the first `size` bytes; None if there are fewer."""
    crc = 0
    while size and (block := file.read(min(size, BLOCK))):
        crc, size = zlib.crc32(block, crc), size - len(block)
    return None if size else crc
