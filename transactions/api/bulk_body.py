"""The body of a bulk request as the values of its rows, read block by block: an array, NDJSON, or CSV.

A row that cannot be read is told like one that breaks the law, and the others go on. Where nobody can tell where the
row ends, the body as a whole is refused.
"""

import codecs
import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request

from anomalies.api.problems import Error, LengthRequired, Refused, TooLarge
from transactions import strict_json
from transactions.loading.records import LONGEST_CELL
from transactions.rows import FIELDS, Problem

BODY_BYTES = 10 << 20
MOST_ROWS = 10_000
# Some 300 rows: of so many PostgreSQL makes pages at once (64 KiB of COPY's lines), and begins with the first block.
BLOCK = 3 << 15
# No good row comes near it; what is longer costs no memory to find out why it is not one.
LONGEST_ROW = 1 << 18
# Of a table, whose rows have no blocks of their own.
ROWS_AT_ONCE = 250
_SPACE: Any = re.compile(r"[ \t\r\n]*").match
# Where one object ends and another begins, if it is not within a text.
_BETWEEN = re.compile(r"\}(?=[ \t\r\n]*,[ \t\r\n]*\{)").finditer
TOO_LONG = Problem("", "too_large", f"The row is longer than {LONGEST_ROW >> 10} KiB.")


class Unread(NamedTuple):
    """In place of a row's value: why there is none."""

    problem: Problem


def pieces(request: Request) -> Iterator[Sequence[Any]]:
    """The rows' values, in their order, some at a time.

    Raises Refused, LengthRequired, TooLarge, UnsupportedMediaType, on the way too.
    """
    kind, _, parameters = request.META.get("CONTENT_TYPE", "").partition(";")
    read = READERS.get(kind.strip().lower())
    is_packed = request.META.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity"
    is_other_text = "charset" in parameters.lower() and "utf-8" not in parameters.lower()
    if read is None or is_packed or is_other_text:
        raise UnsupportedMediaType(kind[:80], f"Send {', '.join(READERS)}, in UTF-8 and not compressed.")
    count = 0
    for piece in read(_blocks(request)):
        count += len(piece)
        if count > MOST_ROWS:
            raise TooLarge(f"There are more than {MOST_ROWS:,} rows: send them in several requests.")
        yield piece


def _blocks(request: Request) -> Iterator[bytes]:
    """The bytes, up to BODY_BYTES. Raises Refused for a body that ends early: its last rows would be missing."""
    text = request.META.get("CONTENT_LENGTH", "")
    announced = int(text) if text.isdecimal() else None
    if announced is None and request.META.get("HTTP_TRANSFER_ENCODING"):
        raise LengthRequired("Send the body with a Content-Length.")
    too_large = TooLarge(f"The body is larger than {BODY_BYTES >> 20} MiB.")
    if announced and announced > BODY_BYTES:
        raise too_large
    total, stream = 0, request._request
    while block := stream.read(BLOCK):
        total += len(block)
        if total > BODY_BYTES:
            raise too_large
        yield block
    if announced and total < announced:
        raise Refused("The body ended before it was whole.")
    if not total:
        raise Refused("The body cannot be read.", [Error("", "empty", "The body is empty: send rows.")])


def _lines(blocks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The lines with their ends, as many as a block completes."""
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        yield [line + b"\n" for line in whole]
    if rest:
        yield [rest]


def _of_lines(blocks: Iterable[bytes]) -> Iterator[list[Any]]:
    for lines in _lines(blocks):
        yield [
            Unread(TOO_LONG) if len(text) > LONGEST_ROW else _read(text)
            for line in lines
            if (text := line.strip(b" \t\r\n"))
        ]


def _read(text: bytes) -> Any:
    try:
        return strict_json.loads(text)
    except strict_json.BadJson as bad:
        return Unread(Problem("", bad.code, bad.detail))


def _of_cells(blocks: Iterable[bytes]) -> Iterator[list[Any]]:
    rows = _of_table(blocks)
    while piece := list(islice(rows, ROWS_AT_ONCE)):
        yield piece


def _of_table(blocks: Iterable[bytes]) -> Iterator[Any]:
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(_texts(blocks), strict=True)
    try:
        columns = next((cells for cells in reader if any(cells)), [])
        _check_columns(columns)
        for cells in reader:
            if len(cells) == len(columns):
                # The notation cannot say that a field is absent but by an empty cell.
                yield {name: cell for name, cell in zip(columns, cells, strict=True) if cell}
            elif any(cells):
                detail = f"The row has {len(cells)} cells, the header {len(columns)}."
                yield Unread(Problem("", "wrong_cell_count", detail))
    except csv.Error as error:
        detail = f"Line {reader.line_num} is not CSV: {error}."
        raise Refused("The body cannot be read.", [Error("", "bad_csv", detail)]) from None


def _check_columns(columns: list[str]) -> None:
    known = f"The first line names the columns, which are {', '.join(FIELDS)}."
    errors = [Error("", "unknown_field", f"{ascii(name)[:60]}: {known}") for name in columns if name not in FIELDS]
    errors += [Error("", "repeated", f"{name} is there twice.") for name in FIELDS if columns.count(name) > 1]
    if errors or not columns:
        raise Refused("The header cannot be used.", errors[:20] or [Error("", "empty", known)])


def _texts(blocks: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(chain.from_iterable(_lines(blocks)), 1):
        if len(line) > LONGEST_ROW:
            raise Refused("The body cannot be read.", [Error("", "too_large", f"Line {number}: {TOO_LONG.detail}")])
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            detail = f"Byte {error.start} of line {number} is not UTF-8: save or send the text as UTF-8."
            raise Refused("The body cannot be read.", [Error("", "not_utf8", detail)]) from None
        # Spreadsheets write one, and only here does it stand before text.
        yield text.removeprefix("\ufeff") if number == 1 else text


def _of_array(blocks: Iterable[bytes]) -> Iterator[list[Any]]:
    return iter(_Array(iter(blocks)))


class _Array:
    """An array's elements, so that there are never more than a few blocks of it in memory."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self.blocks = blocks
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.text, self.at, self.is_whole = "", 0, False
        # Whether it may be worthwhile to read what there is of the text at once.
        self.is_fresh = True

    def __iter__(self) -> Iterator[list[Any]]:
        if self._next() != "[":
            raise self._refused("not_an_array", "The body must be a JSON array of transactions")
        self.at += 1
        if self._next() == "]":
            self.at += 1
        else:
            while True:
                yield self._elements() or [self._element()]
                if (sign := self._next()) not in (",", "]"):
                    raise self._refused("not_json", "This is not JSON: a comma or the array's end is missing")
                self.at += 1
                if sign == "]":
                    break
        if self._next():
            raise self._refused("not_json", "This is not JSON: something follows the array")

    def _next(self) -> str:
        """The next character that is no white space, or "" at the end; `at` is its place."""
        while True:
            self.at = _SPACE(self.text, self.at).end()
            if self.at < len(self.text):
                return self.text[self.at]
            if self.is_whole:
                return ""
            self._more()

    def _more(self) -> None:
        block = next(self.blocks, b"")
        self.is_whole = not block
        try:
            self.text = self.text[self.at :] + self.decoder.decode(block, self.is_whole)
        except UnicodeDecodeError:
            raise self._refused("not_utf8", "The body is not UTF-8") from None
        self.at, self.is_fresh = 0, True

    def _elements(self) -> list[Any]:
        """All objects that are whole, but for the last. None where one of them has a fault: each is read alone then."""
        if not self.is_fresh:
            return []
        if not self.is_whole and len(self.text) - self.at < BLOCK // 2:
            self._more()
        self.is_fresh = False
        end = max((between.start() for between in _BETWEEN(self.text, self.at)), default=0)
        try:
            # What makes an array within brackets are its elements, wherever the text was cut.
            found = strict_json.loads(f"[{self.text[self.at : end + 1]}]") if end else []
        except strict_json.BadJson:
            return []
        assert isinstance(found, list)
        if found:
            self.at, self.is_fresh = end + 1, True
        return found

    def _element(self) -> Any:
        if self._next() == "\ufeff":
            raise self._refused("byte_order_mark", "A byte-order mark stands before a row")
        while True:
            raw, end = self._try()
            if end is not None and (self.is_whole or self._is_over(end)):
                self.at = end
                return raw
            if self.is_whole or len(self.text) - self.at > LONGEST_ROW:
                code, detail = (raw.problem if isinstance(raw, Unread) else TOO_LONG)[1:]
                # Characters were counted from somewhere in the middle.
                detail = detail.partition(" at character")[0]
                longest = "" if self.is_whole else f", or a row is longer than {LONGEST_ROW >> 10} KiB"
                raise self._refused(code, detail + longest)
            self._more()

    def _is_over(self, end: int) -> bool:
        """Whether the element surely ends there: a number goes on in the next block, if it does."""
        return end < len(self.text) and (self.text[end] not in ".eE" or end + 2 < len(self.text))

    def _try(self) -> tuple[Any, int | None]:
        """The element that begins here and its end; without an end where it has none yet."""
        try:
            value, end = strict_json.first(self.text, self.at)
        except strict_json.BadJson as bad:
            return Unread(Problem("", bad.code, bad.detail)), strict_json.end_of(self.text, self.at)
        return value, end

    def _refused(self, code: str, detail: str) -> Refused:
        return Refused("The body cannot be read.", [Error("", code, f"{detail.rstrip('.')}: {self._here()}.")])

    def _here(self) -> str:
        shown = ascii(self.text[self.at : self.at + 30])
        return f"it goes on with {shown}" if len(shown) > 2 else "it ends there"


READERS = {"application/json": _of_array, "application/x-ndjson": _of_lines, "text/csv": _of_cells}
