"""A whole filtered list as one file, CSV, NDJSON or Parquet: the rows that walking its pages gives, in the same order.

It is walked here as well, in large pages by their keys. So memory holds one page however long the list is, no
database transaction stays open for a slow reader, and nothing is asked any more once the reader has gone.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from io import StringIO
from threading import Lock
from typing import Any
from weakref import WeakSet

import orjson
from django.conf import settings
from django.db import connection, transaction
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.request import Request

from anomalies.api import parquet
from anomalies.api.listing import Listing, Ordering, Position, Row
from anomalies.api.parameters import OneOfField, Parameters, StrictField
from anomalies.api.problems import Unavailable
from anomalies.api.rendering import JSONRenderer, dumps

ROWS_AT_ONCE = 2_000
CSV, NDJSON = "text/csv", "application/x-ndjson"
AS = OneOfField(
    options=["csv", "ndjson", "parquet"],
    initial="csv",
    help_text="The kind of file. Parquet where the server has pyarrow, else 400.",
)
# What a spreadsheet would take for a formula (OWASP, CSV injection), the wide forms of the signs too.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

DESCRIPTION = (
    "Every row that the list has with these filters, however many, in one file. In CSV, a text that a spreadsheet "
    "would take for a formula has an apostrophe before it; NDJSON has each row as the list does. Parquet has amounts "
    "as decimals, times in microseconds of UTC, and objects as JSON text. A server sends few files at a time: one too "
    "many is a 503 with `Retry-After`."
)

Rows = list[dict[str, Any]]


class CSVRenderer(JSONRenderer):
    """Lets a request accept CSV; whatever is said besides the file is said in JSON."""

    media_type = CSV
    format = "csv"


class NDJSONRenderer(JSONRenderer):
    media_type = NDJSON
    format = "ndjson"


class ParquetRenderer(JSONRenderer):
    media_type = parquet.MEDIA_TYPE
    format = "parquet"


RENDERERS = [CSVRenderer, NDJSONRenderer, ParquetRenderer, JSONRenderer]


class TooManyExports(Unavailable):
    default_code = "too_many_exports"
    default_detail = "As many exports are being sent as this server sends at a time. Try again."


class Export(StreamingHttpResponse):
    """A file on its way. Raises TooManyExports where others have half of the process's threads already.

    Each holds a thread until its reader has it all, and the other requests must not wait for that.
    """

    # Those that nobody closes and nobody has any more are not in it either.
    under_way: WeakSet["Export"] = WeakSet()
    lock = Lock()

    def __init__(self, content_type: str) -> None:
        super().__init__(content_type=content_type)
        with self.lock:
            if len(self.under_way) >= max(1, settings.WEB_THREADS // 2):
                raise TooManyExports
            self.under_way.add(self)

    def leave(self) -> None:
        with self.lock:
            self.under_way.discard(self)

    def close(self) -> None:
        """Called by the server when the file is sent, or the reader has gone."""
        self.leave()
        super().close()


class Exports:
    """Adds `export/` to a viewset with a listing and filters."""

    asked: dict[str, Any]
    listing: Listing
    filter_queryset: Callable[[Any], Any]
    serializer_class: Any

    @action(detail=False, pagination_class=None, renderer_classes=RENDERERS)
    def export(self, _request: Request) -> StreamingHttpResponse:
        listing: Listing = self.filter_queryset(self.listing)
        ordering = listing.orderings[self.asked.get("ordering", next(iter(listing.orderings)))]
        fields = self.asked["fields"] or listing.shown
        write, kind = self._writer(fields)
        response = Export(kind)
        pages = walk(listing, ordering)
        try:
            # The first page is read before anything is said: a database that is away is a 503, not half a file.
            first = next(pages, [])
        except BaseException:
            response.leave()
            raise
        response.streaming_content = write(_chained(first, pages))
        response["Content-Disposition"] = f'attachment; filename="{listing.table}.{self.asked["as"]}"'
        return response

    def _writer(self, fields: Sequence[str]) -> tuple[Callable[[Iterator[Rows]], Iterator[bytes]], str]:
        """What makes the file of pages of rows, and the file's type."""
        if self.asked["as"] == "parquet":
            return parquet.Writer(fields, self.serializer_class().fields).parts, parquet.MEDIA_TYPE
        if self.asked["as"] == "ndjson":
            return partial(_ndjson, fields), NDJSON
        return partial(_csv, fields), f"{CSV}; charset=utf-8; header=present"


@cache
def parameters_of(viewset: Any) -> Parameters:
    """All that the query string of an export may name: of its list, all but what chooses a page."""
    filters = {name: one.field for name, one in viewset.filterset_class.base_filters.items()}
    return Parameters({**filters, **_fields(viewset)})


def described(name: str, summary: str) -> Any:
    """What the schema says of the export of the list `name`."""

    def decorate(viewset: Any) -> Any:
        operation = extend_schema(
            operation_id=f"{name}_export",
            summary=summary,
            description=DESCRIPTION,
            tags=[name],
            filters=True,
            parameters=[_described(one, field) for one, field in _fields(viewset).items()],
            responses={
                (200, CSV): OpenApiTypes.STR,
                (200, NDJSON): OpenApiTypes.STR,
                (200, parquet.MEDIA_TYPE): OpenApiTypes.BINARY,
            },
        )
        return extend_schema_view(export=operation)(viewset)

    return decorate


def _described(name: str, field: StrictField) -> OpenApiParameter:
    schema = field.described()
    return OpenApiParameter(name, description=schema.pop("description"), type=schema)


def _fields(viewset: Any) -> dict[str, StrictField]:
    of_page = viewset.pagination_class.fields(viewset.listing)
    return {"as": AS, **{name: field for name, field in of_page.items() if name in ("fields", "ordering")}}


def walk(listing: Listing, ordering: Ordering) -> Iterator[Rows]:
    """Every row, as JSON, in pages of which one is held at a time."""
    key_at = [listing.columns.index(column.name) for column in ordering.columns]
    position: Position | None = None
    while rows := _page(listing, ordering, position):
        yield listing.presented(rows)
        if len(rows) < ROWS_AT_ONCE:
            return
        position = Position(tuple(rows[-1][i] for i in key_at))


def _page(listing: Listing, ordering: Ordering, position: Position | None) -> list[Row]:
    """One page, which may take as long as it needs. Between two of them no connection is kept."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0")
        rows = listing.fetch(ordering, position, ROWS_AT_ONCE)
    if not connection.in_atomic_block:
        connection.close()
    return rows


def _ndjson(fields: Sequence[str], pages: Iterator[Rows]) -> Iterator[bytes]:
    for rows in pages:
        yield b"".join(dumps({name: row[name] for name in fields}) + b"\n" for row in rows)


def _csv(fields: Sequence[str], pages: Iterator[Rows]) -> Iterator[bytes]:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(fields)
    for rows in pages:
        writer.writerows([_cell(row[name]) for name in fields] for row in rows)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    if text.getvalue():
        yield text.getvalue().encode()


def _chained(first: Rows, further: Iterator[Rows]) -> Iterator[Rows]:
    if first:
        yield first
    yield from further


def _cell(value: Any) -> str:
    """A value as CSV has it: the text of the list's JSON, unknown is empty, numbers are numbers."""
    if type(value) is str:
        return f"'{value}" if value.startswith(FORMULA) else value
    if value is None:
        return ""
    written = dumps(value)
    return orjson.loads(written) if written.startswith(b'"') else written.decode()
