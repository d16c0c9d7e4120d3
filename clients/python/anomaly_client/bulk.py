"""Many transactions in few requests, none of them larger than the server takes."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from anomaly_client.errors import Fault
from anomaly_client.shapes import NewTransaction

# The server's limits for one request.
MOST_ROWS = 10_000
BODY_BYTES = 10 << 20
MEDIA_TYPE = "application/x-ndjson"


@dataclass(frozen=True, kw_only=True)
class RowAnswer:
    """What became of one row: `status` is created, duplicate, conflict or rejected, and `faults` say why.

    `index` counts all the rows that were given, from 0.
    """

    index: int
    id: UUID
    status: str
    faults: tuple[Fault, ...]

    @property
    def is_stored(self) -> bool:
        """True if just this transaction is stored, now or before."""
        return self.status in ("created", "duplicate")


class Request(NamedTuple):
    """The body of one request, an object a line, and the ids of its rows in their order."""

    body: bytes
    ids: list[UUID]


def requests(
    rows: Iterable[NewTransaction], *, most_rows: int = MOST_ROWS, most_bytes: int = BODY_BYTES
) -> Iterator[Request]:
    """The rows in as few requests as the limits allow; holds one at a time."""
    lines: list[bytes] = []
    ids: list[UUID] = []
    size = 0
    for row in rows:
        line = json.dumps(row.body(), allow_nan=False).encode() + b"\n"
        if lines and (len(lines) == most_rows or size + len(line) > most_bytes):
            yield Request(b"".join(lines), ids)
            lines, ids, size = [], [], 0
        lines.append(line)
        ids.append(row.id)
        size += len(line)
    if lines:
        yield Request(b"".join(lines), ids)


def answers(request: Request, body: bytes, first: int) -> Iterator[RowAnswer]:
    """What became of the request's rows, of which the first is number `first` of all."""
    told = json.loads(body)["results"]
    for index, (row_id, one) in enumerate(zip(request.ids, told, strict=True), first):
        faults = tuple(Fault(fault["pointer"], fault["code"], fault["detail"]) for fault in one.get("errors", ()))
        yield RowAnswer(index=index, id=row_id, status=one["status"], faults=faults)
