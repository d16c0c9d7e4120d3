"""Many transactions in few requests, none of them larger than the server takes."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
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

    `index` counts all the rows that were given, from 0. A row of a table without an `id` has none if it is rejected.
    """

    index: int
    id: UUID | None
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
        yield RowAnswer(index=index, id=row_id, status=one["status"], faults=_faults(one))


def answers_of_table(body: bytes, first: int) -> list[RowAnswer]:
    """The same of rows whose ids, if they have any, only their text tells."""
    return [
        RowAnswer(index=index, id=one["id"] and UUID(one["id"]), status=one["status"], faults=_faults(one))
        for index, one in enumerate(json.loads(body)["results"], first)
    ]


def _faults(told: Mapping[str, Any]) -> tuple[Fault, ...]:
    return tuple(Fault(fault["pointer"], fault["code"], fault["detail"]) for fault in told.get("errors", ()))
