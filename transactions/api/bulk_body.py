"""The body of a bulk request as the values of its rows, read block by block: an array, NDJSON, or CSV.

A row that cannot be read is told like one that breaks the law, and the others go on. Where nobody can tell where the
row ends, the body as a whole is refused.
"""

import codecs
import csv
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request

from anomalies.api.problems import Error, LengthRequired, Refused, TooLarge
from transactions import strict_json
from transactions.loading.records import LONGEST_CELL
from transactions.rows import FIELDS, Problem

BODY_BYTES = 10 << 20
MOST_ROWS = 10_000
BLOCK = 1 << 16
# No good row comes near it; what is longer costs no memory to find out why it is not one.
LONGEST_ROW = 4 * BLOCK
_SPACE: Any = re.compile(r"[ \t\r\n]*").match
TOO_LONG = Problem("", "too_large", f"The row is longer than {LONGEST_ROW >> 10} KiB.")


class Raw(NamedTuple):
    """A row's value as it was read, or why there is none."""

    value: Any = None
    problem: Problem | None = None


def rows(request: Request) -> Iterator[Raw]:
    """The rows, in their order. Raises Refused, LengthRequired, TooLarge, UnsupportedMediaType, on the way too."""
    kind, _, parameters = request.META.get("CONTENT_TYPE", "").partition(";")
    read = READERS.get(kind.strip().lower())
    is_packed = request.META.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity"
    is_other_text = "charset" in parameters.lower() and "utf-8" not in parameters.lower()
    if read is None or is_packed or is_other_text:
        raise UnsupportedMediaType(kind[:80], f"Send {', '.join(READERS)}, in UTF-8 and not compressed.")
    for number, raw in enumerate(read(_blocks(request))):
        if number == MOST_ROWS:
            raise TooLarge(f"There are more than {MOST_ROWS:,} rows: send them in several requests.")
        yield raw


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


def _lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines with their ends."""
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield line + b"\n"
    if rest:
        yield rest


def _of_lines(blocks: Iterable[bytes]) -> Iterator[Raw]:
    for line in _lines(blocks):
        if text := line.strip(b" \t\r\n"):
            yield Raw(problem=TOO_LONG) if len(text) > LONGEST_ROW else _read(text)


def _read(text: bytes) -> Raw:
    try:
        return Raw(strict_json.loads(text))
    except strict_json.BadJson as bad:
        return Raw(problem=Problem("", bad.code, bad.detail))


def _of_cells(blocks: Iterable[bytes]) -> Iterator[Raw]:
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(_texts(blocks), strict=True)
    try:
        columns = next((cells for cells in reader if any(cells)), [])
        _check_columns(columns)
        for cells in reader:
            if len(cells) == len(columns):
                # The notation cannot say that a field is absent but by an empty cell.
                yield Raw({name: cell for name, cell in zip(columns, cells, strict=True) if cell})
            elif any(cells):
                detail = f"The row has {len(cells)} cells, the header {len(columns)}."
                yield Raw(problem=Problem("", "wrong_cell_count", detail))
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
    for number, line in enumerate(_lines(blocks), 1):
        if len(line) > LONGEST_ROW:
            raise Refused("The body cannot be read.", [Error("", "too_large", f"Line {number}: {TOO_LONG.detail}")])
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            detail = f"Byte {error.start} of line {number} is not UTF-8: save or send the text as UTF-8."
            raise Refused("The body cannot be read.", [Error("", "not_utf8", detail)]) from None
        # Spreadsheets write one, and only here does it stand before text.
        yield text.removeprefix("\ufeff") if number == 1 else text


def _of_array(blocks: Iterable[bytes]) -> Iterator[Raw]:
    return iter(_Array(iter(blocks)))


class _Array:
    """An array's elements one by one, so that there are never more than a few blocks of it in memory."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self.blocks = blocks
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.text, self.at, self.is_whole = "", 0, False

    def __iter__(self) -> Iterator[Raw]:
        if self._next() != "[":
            raise self._refused("not_an_array", "The body must be a JSON array of transactions")
        self.at += 1
        if self._next() == "]":
            self.at += 1
        else:
            while True:
                yield self._element()
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
        self.at = 0

    def _element(self) -> Raw:
        if self._next() == "\ufeff":
            raise self._refused("byte_order_mark", "A byte-order mark stands before a row")
        while True:
            raw, end = self._try()
            # A number goes on in the next block, if it does: the sign after it must be there.
            if end is not None and (end < len(self.text) or self.is_whole):
                self.at = end
                return raw
            if self.is_whole or len(self.text) - self.at > LONGEST_ROW:
                code, detail = raw.problem[1:] if raw.problem else TOO_LONG[1:]
                # Characters were counted from somewhere in the middle.
                detail = detail.partition(" at character")[0]
                longest = "" if self.is_whole else f", or a row is longer than {LONGEST_ROW >> 10} KiB"
                raise self._refused(code, detail + longest)
            self._more()

    def _try(self) -> tuple[Raw, int | None]:
        """The element that begins here and its end; without an end where it has none yet."""
        try:
            value, end = strict_json.first(self.text, self.at)
        except strict_json.BadJson as bad:
            return Raw(problem=Problem("", bad.code, bad.detail)), strict_json.end_of(self.text, self.at)
        return Raw(value), end

    def _refused(self, code: str, detail: str) -> Refused:
        return Refused("The body cannot be read.", [Error("", code, f"{detail.rstrip('.')}: {self._here()}.")])

    def _here(self) -> str:
        shown = ascii(self.text[self.at : self.at + 30])
        return f"it goes on with {shown}" if len(shown) > 2 else "it ends there"


READERS = {"application/json": _of_array, "application/x-ndjson": _of_lines, "text/csv": _of_cells}
