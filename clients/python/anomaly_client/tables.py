"""Tables: CSV cut into requests that the server takes, and exports read block by block."""

import csv
from collections.abc import Iterable, Iterator
from http.client import HTTPException
from io import StringIO
from typing import Literal

from anomaly_client.bulk import BODY_BYTES, MOST_ROWS
from anomaly_client.errors import Unreachable
from anomaly_client.sending import Opened

MEDIA_TYPE = "text/csv"
READ_BYTES = 1 << 16

List = Literal["transactions", "anomalies", "cases", "verdicts"]
Kind = Literal["csv", "ndjson"]


def requests(lines: Iterable[str], *, most_rows: int = MOST_ROWS, most_bytes: int = BODY_BYTES) -> Iterator[bytes]:
    """The table in as few requests as the limits allow, each with the header; holds one at a time.

    Raises ValueError for what is no CSV.
    """
    try:
        rows = csv.reader(lines, strict=True)
        header = next((cells for cells in rows if cells), None)
        if header is None:
            return
        head = _written(header)
        body, count, size = [head], 0, len(head)
        for cells in rows:
            if not cells:
                continue
            row = _written(cells)
            if count and (count == most_rows or size + len(row) > most_bytes):
                yield b"".join(body)
                body, count, size = [head], 0, len(head)
            body.append(row)
            count += 1
            size += len(row)
        if count:
            yield b"".join(body)
    except csv.Error as error:
        raise ValueError(f"Line {rows.line_num} is not CSV: {error}.") from None


def _written(cells: list[str]) -> bytes:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


def blocks(opened: Opened) -> Iterator[bytes]:
    """What is exported, as it comes. Raises Unreachable if it breaks off: what came until then is not all."""
    try:
        while block := opened.answer.read1(READ_BYTES):
            yield block
        # Of an answer with a length, which a proxy may have given it.
        if opened.answer.length:
            raise ConnectionError
    except (OSError, HTTPException) as fault:
        # Without its text and cause: they could hold the headers, and the key is in them.
        raise Unreachable(f"{type(fault).__name__}: the export broke off, and is not whole.") from None
    finally:
        opened.connection.close()
