"""A source as records: the cells or keys of one row each, the line it starts on, and where reading went on.

Nothing is read ahead: after each record `position` and `line` are exactly those of the next one, so a
chunk can be committed together with them.
"""

import csv
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, Protocol

from transactions import strict_json
from transactions.loading.failures import LoadFailed, usage
from transactions.loading.sources import BLOCK, Source

BOM = b"\xef\xbb\xbf"
DELIMITERS = ",;\t|"
# The columns that a reject file adds. The loader passes over them, so that a mended file fits the same options.
REJECT_LINE = "reject_line"
REJECT_COLUMNS = (REJECT_LINE, "reject_field", "reject_code", "reject_detail", "reject_raw")
# A cell may be larger than any good row's, so that it is refused for what it is. An unclosed quote ends here.
LONGEST_CELL = 4 << 20
# So many NDJSON rows are looked at to learn the keys.
SAMPLE = 1_000


class Fault(NamedTuple):
    """Why a record could not be read at all."""

    code: str
    detail: str


class Record(NamedTuple):
    """One row as it is in the file: cells or keys. `raw` is its text where the content alone would not tell it."""

    line: int
    content: Any
    raw: str = ""
    fault: Fault | None = None


class Records(Protocol):
    """What both formats offer. Iteration goes on from `position`."""

    columns: list[str]
    delimiter: str

    @property
    def position(self) -> int:
        """Bytes read of the unpacked content."""

    @property
    def line(self) -> int:
        """Lines read."""

    def seek(self, position: int, line: int) -> None:
        """Go on as if everything before had been read."""

    def __iter__(self) -> Iterator[Record]: ...

    def close(self) -> None:
        """Close the file."""


def read(source: Source, *, delimiter: str = "") -> Records:
    """The records of an examined source, header read. Raises LoadFailed for a header that cannot be used."""
    return CsvRecords(source, delimiter) if source.format == "csv" else NdjsonRecords(source)


class Lines:
    """The lines of a source one by one, counted; those of the record in the making are kept."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.stream: BinaryIO = source.open()
        self.position = 0
        self.line = 0
        self.kept: list[bytes] = []
        self.again: list[bytes] = []

    def __iter__(self) -> Iterator[str]:
        encoding, kept, size = self.source.encoding, self.kept, self.source.size
        # Not a byte more than was examined, should the file grow meanwhile.
        while raw := self.again.pop() if self.again else self.stream.readline(size - self.position):
            text = raw.decode(encoding)
            if not self.position and encoding == "utf-8":
                text = text.removeprefix("\ufeff")
            self.position += len(raw)
            self.line += 1
            kept.append(raw)
            yield text

    def take_back(self) -> str:
        """Put all kept lines but the first back, to be read again; returns the first."""
        first, *rest = self.kept
        self.again.extend(reversed(rest))
        self.position -= sum(map(len, rest))
        self.line -= len(rest)
        self.kept.clear()
        return first.decode(self.source.encoding)

    def seek(self, position: int, line: int) -> None:
        """Go on at `position`; in a gzip file by unpacking everything before it."""
        self.close()
        self.stream = self.source.open()
        if self.source.gzipped:
            left = position
            while left:
                left -= len(self.stream.read(min(left, BLOCK)))
        else:
            self.stream.seek(position)
        self.position, self.line = position, line
        self.kept.clear()
        self.again.clear()

    def close(self) -> None:
        """Close the file; what was spooled stays, for it cannot be read a second time."""
        if self.source.spool is None or self.source.gzipped:
            self.stream.close()


class CsvRecords:
    """CSV with a header. A cell may hold line ends; a row that cannot be read costs one line, not the rest."""

    def __init__(self, source: Source, delimiter: str = "") -> None:
        csv.field_size_limit(LONGEST_CELL)
        self.lines = Lines(source)
        self.delimiter = delimiter
        try:
            self.columns = self._header(source.name)
        except LoadFailed:
            self.close()
            raise

    @property
    def position(self) -> int:
        return self.lines.position

    @property
    def line(self) -> int:
        return self.lines.line

    def seek(self, position: int, line: int) -> None:
        self.lines.seek(position, line)

    def close(self) -> None:
        self.lines.close()

    def _header(self, name: str) -> list[str]:
        self.delimiter = self.delimiter or _detected(next(text for text in self.lines if text.strip()))
        self.lines.seek(0, 0)
        try:
            cells = next(cells for cells in self._reader() if not _is_blank(cells))
        except csv.Error as error:
            raise LoadFailed(f"{name} has no header that can be read: {error}.") from error
        self.lines.kept.clear()
        columns = [cell.strip() or f"column_{number}" for number, cell in enumerate(cells, 1)]
        for column in columns:
            if columns.count(column) > 1:
                raise usage(f"{name} has more than one column {column!r}: give each column a name of its own.")
        return columns

    def _reader(self) -> Iterator[list[str]]:
        return csv.reader(self.lines, delimiter=self.delimiter, strict=True)

    def __iter__(self) -> Iterator[Record]:
        lines, width = self.lines, len(self.columns)
        kept = lines.kept
        while True:
            try:
                for cells in self._reader():
                    start = lines.line - len(kept) + 1
                    if len(cells) == width:
                        yield Record(start, cells)
                    elif not _is_blank(cells):
                        yield self._wrong_width(start, cells)
                    kept.clear()
                return
            except csv.Error as error:
                yield self._unreadable(error)

    def _wrong_width(self, start: int, cells: list[str]) -> Record:
        raw = b"".join(self.lines.kept).decode(self.lines.source.encoding)
        detail = f"The row has {len(cells)} cells, the header {len(self.columns)}."
        return Record(start, cells, raw.rstrip("\r\n"), Fault("wrong_cell_count", detail))

    def _unreadable(self, error: csv.Error) -> Record:
        # The fault is in the row's first line, mostly a quote that is not closed. The lines after it are
        # rows of their own, and would be lost with it.
        raw = self.lines.take_back().rstrip("\r\n")
        return Record(self.lines.line, [], raw, Fault("bad_csv", f"The row is not CSV: {error}."))


class NdjsonRecords:
    """One JSON object a line."""

    def __init__(self, source: Source) -> None:
        self.lines = Lines(source)
        self.delimiter = ""
        self.columns: list[str] = []
        seen: dict[str, None] = {}
        for record, _ in zip(self, range(SAMPLE), strict=False):
            seen |= dict.fromkeys(record.content or ())
        self.columns = list(seen)
        self.lines.seek(0, 0)

    @property
    def position(self) -> int:
        return self.lines.position

    @property
    def line(self) -> int:
        return self.lines.line

    def seek(self, position: int, line: int) -> None:
        self.lines.seek(position, line)

    def close(self) -> None:
        self.lines.close()

    def __iter__(self) -> Iterator[Record]:
        lines = self.lines
        for text in lines:
            lines.kept.clear()
            if raw := text.strip(" \t\r\n"):
                yield _object(lines.line, raw)


def _object(line: int, raw: str) -> Record:
    try:
        content = strict_json.loads(raw)
    except strict_json.BadJson as error:
        return Record(line, None, raw, Fault(error.code, error.detail))
    if not isinstance(content, dict):
        return Record(line, None, raw, Fault("not_an_object", "The line is JSON, but not an object: write {…}."))
    return Record(line, content, raw)


def _is_blank(cells: list[str]) -> bool:
    return not cells or (len(cells) == 1 and not cells[0].strip())


def _detected(header: str) -> str:
    """The delimiter that occurs most often in the header outside quotes; a comma where none does."""
    outside = "".join(header.split('"')[::2])
    return max(DELIMITERS, key=outside.count)
