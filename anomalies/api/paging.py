"""Keyset pages: a cursor carries the whole ordering key, so that no row is lost or repeated when keys tie.

A page is read with the rows' own columns as conditions, never with OFFSET: the thousandth page costs what the
first one costs, and rows that come and go between two pages move nothing.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from hmac import compare_digest
from typing import Any
from urllib.parse import quote_plus

import orjson
from django.utils.crypto import salted_hmac
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from anomalies.api.listing import Listing, Ordering, Position, Row
from anomalies.api.parameters import NamesField, OneOfField, StrictField, TextField, WholeField, documented, place_of
from anomalies.api.problems import Error, Refused
from anomalies.api.rendering import Answer

VERSION = 1
MAC_BYTES = 16
LONGEST_CURSOR = 1_000
DEFAULT_LIMIT = 100
MOST_ROWS = 1_000


def seal(position: Position, query: str) -> str:
    """The cursor of `position` in the listing that `query` names; opaque, and of no use in another listing."""
    payload = orjson.dumps([VERSION, position.backward, position.inclusive, *position.key], option=orjson.OPT_UTC_Z)
    return _text(payload + _mac(payload, query))


def unseal(cursor: str, query: str, ordering: Ordering) -> Position:
    """The position in `cursor`. Raises Refused if it was made for another listing, or not by us."""
    if len(cursor) <= LONGEST_CURSOR and cursor.isascii():
        try:
            sealed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except ValueError:
            sealed = b""
        payload, mac = sealed[:-MAC_BYTES], sealed[-MAC_BYTES:]
        # Base 64 is decoded leniently: only the one true spelling counts.
        if compare_digest(mac, _mac(payload, query)) and _text(sealed) == cursor:
            # From here on the content is our own.
            _, backward, inclusive, *key = orjson.loads(payload)
            values = (column.read(value) for column, value in zip(ordering.columns, key, strict=True))
            return Position(tuple(values), backward, inclusive)
    raise Refused("A query parameter is wrong.", [Error("cursor", "invalid", "This cursor belongs to another query.")])


def _text(sealed: bytes) -> str:
    return urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _mac(payload: bytes, query: str) -> bytes:
    return salted_hmac(__name__, payload + query.encode(), algorithm="sha256").digest()[:MAC_BYTES]


class KeysetPagination(BasePagination):
    """Pages of a Listing. One query a page, and one EXPLAIN if a count is asked for."""

    limit = WholeField(low=1, high=MOST_ROWS, initial=DEFAULT_LIMIT, help_text="Rows a page.")
    cursor = TextField(help_text="A page's place: taken from `next` or `previous`.")
    count = OneOfField(options=["estimated"], help_text="Adds `count`, an estimate by the planner.")

    @classmethod
    def fields(cls, listing: Listing) -> dict[str, StrictField]:
        """The parameters that choose a page, and its order where there are several."""
        found: dict[str, StrictField] = {"limit": cls.limit, "cursor": cls.cursor}
        found["fields"] = NamesField(options=listing.shown, help_text="Only these fields of each row.")
        if listing.countable:
            found["count"] = cls.count
        names = list(listing.orderings)
        if len(names) > 1:
            found["ordering"] = OneOfField(options=names, initial=names[0], help_text="The order of the rows.")
        return found

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        """The rows of the page, as JSON. `queryset` is a Listing; the view has read the parameters."""
        listing: Listing = queryset
        asked = view.asked
        # Written once: it names the query in the cursor, and is most of the next page's address.
        written = {name: f"{name}={quote_plus(text)}" for name, text in view.given.items()}
        ordering = listing.orderings[asked.get("ordering", next(iter(listing.orderings)))]
        query = _identity(listing, written)
        position = None if asked["cursor"] is None else unseal(asked["cursor"], query, ordering)
        limit = asked["limit"]
        rows = listing.fetch(ordering, position, limit + 1)
        around = _around(rows, limit, position, [listing.columns.index(column.name) for column in ordering.columns])
        self.envelope: dict[str, Any] = {
            name: None if place is None else _address(request, written, seal(place, query))
            for name, place in zip(("next", "previous"), around, strict=True)
        }
        if asked.get("count"):
            self.envelope["count"] = listing.estimate()
        shown = listing.presented(rows[:limit][:: -1 if position and position.backward else 1])
        wanted = asked["fields"]
        return shown if wanted is None else [{name: row[name] for name in wanted} for row in shown]

    def get_paginated_response(self, data: Any) -> Response:
        return Answer({**self.envelope, "results": data})

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [documented(name, field) for name, field in self.fields(view.listing).items()]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        address = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "next": {**address, "description": "The next page; null at the end."},
                "previous": {**address, "description": "The page before; null at the beginning."},
                "count": {"type": "integer", "description": "An estimate, if asked for."},
                "results": schema,
            },
        }


def _identity(listing: Listing, written: Mapping[str, str]) -> str:
    """What makes this query another query than others: not the page, its size, or the fields shown."""
    kept = (written[name] for name in sorted(written) if name not in ("limit", "cursor", "count", "fields"))
    return f"{listing.table}?{'&'.join(kept)}"


def _around(
    rows: Sequence[Row], limit: int, position: Position | None, key_at: Sequence[int]
) -> tuple[Position | None, Position | None]:
    """Where the next and the previous page start; `rows` has one more than `limit` where there are more."""
    backward = position is not None and position.backward
    onward = _at(rows[limit - 1], key_at, backward) if len(rows) > limit else None
    if position is None:
        return onward, None
    # Rows may have gone since the cursor was made: then the way back starts at the place itself.
    back = _at(rows[0], key_at, not backward) if rows else Position(position.key, not backward, inclusive=True)
    return (back, onward) if backward else (onward, back)


def _at(row: Row, key_at: Sequence[int], backward: bool) -> Position:
    return Position(tuple(row[i] for i in key_at), backward)


def _address(request: Request, written: Mapping[str, str], cursor: str) -> str:
    query = {**written, "cursor": f"cursor={cursor}"}
    return f"{place_of(request)}?{'&'.join(query.values())}"
