"""Keyset pages: a cursor carries the whole ordering key, so that no row is lost or repeated when keys tie.

A page is read with the rows' own columns as conditions, never with OFFSET: the thousandth page costs what the
first one costs, and rows that come and go between two pages move nothing.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hmac import compare_digest
from typing import Any, NamedTuple
from urllib.parse import urlencode

import orjson
from django.db import connection
from django.utils.crypto import salted_hmac
from drf_spectacular.utils import OpenApiParameter
from psycopg.types.datetime import TimestamptzLoader
from rest_framework.request import Request

from anomalies.api.parameters import Parameter, given, one_of, plain_text, read, whole
from anomalies.api.problems import Error, Refused

Row = tuple[Any, ...]
VERSION = 1
MAC_BYTES = 16
LONGEST_CURSOR = 1_000
DEFAULT_LIMIT = 100
MOST_ROWS = 1_000


class Column(NamedTuple):
    """A column of an ordering; `read` turns a cursor's JSON value back into the column's."""

    name: str
    read: Callable[[Any], Any]
    descending: bool = False


class Position(NamedTuple):
    """A place in an ordering: beyond the row with this key, or at it as well; forwards or back."""

    key: Row
    backward: bool = False
    inclusive: bool = False


@dataclass(frozen=True)
class Ordering:
    """The columns that put rows in one total order. The last one must be unique."""

    columns: tuple[Column, ...]

    def order_by(self, *, backward: bool) -> str:
        return ", ".join(f"{one.name} {'DESC' if one.descending != backward else 'ASC'}" for one in self.columns)

    def beyond(self, position: Position) -> tuple[str, list[Any]]:
        """The condition for rows beyond `position`, with its values."""
        # Each value twice but the last: see `_beyond`.
        values = [value for value in position.key for _ in (0, 1)][:-1]
        return _beyond(self.columns, position.backward, position.inclusive), values


@lru_cache
def _beyond(columns: tuple[Column, ...], backward: bool, inclusive: bool) -> str:
    """`a <= x AND (a < x OR b > y)`: the OR alone would read the index from its beginning to the cursor."""
    first, *rest = columns
    sign = "<" if first.descending != backward else ">"
    if not rest:
        return f"{first.name} {sign}{'=' if inclusive else ''} %s"
    return f"{first.name} {sign}= %s AND ({first.name} {sign} %s OR {_beyond(tuple(rest), backward, inclusive)})"


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


LIMIT_SCHEMA = {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": DEFAULT_LIMIT}
LIMIT = Parameter("limit", whole(1, MOST_ROWS), "", LIMIT_SCHEMA, "Rows a page.")
CURSOR = Parameter("cursor", plain_text, "", {"type": "string"}, "A page's place: taken from `next` or `previous`.")
COUNT_SCHEMA = {"type": "string", "enum": ["estimated"]}
COUNT = Parameter("count", one_of("estimated"), "", COUNT_SCHEMA, "Adds `count`, an estimate by the planner.")


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a list endpoint shows: columns of a table, its filters, its orderings (each served by an index).

    `expressions` give the SQL of columns that are not the table's own, `defaults` stand for parameters that
    are not given, `present` makes a row's JSON from its columns.
    """

    table: str
    columns: tuple[str, ...]
    filters: tuple[Parameter, ...]
    orderings: Mapping[str, Ordering]
    expressions: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    present: Callable[[dict[str, Any]], dict[str, Any]] = dict
    countable: bool = True

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Everything the query string may name."""
        ordering = () if len(self.orderings) == 1 else (self._ordering_parameter(),)
        return (*self.filters, *ordering, LIMIT, CURSOR, *((COUNT,) if self.countable else ()))

    def _ordering_parameter(self) -> Parameter:
        names = tuple(self.orderings)
        schema = {"type": "string", "enum": list(names), "default": names[0]}
        return Parameter("ordering", one_of(*names), "", schema, "The order of the rows.")

    def documented(self) -> list[OpenApiParameter]:
        return [parameter.documented() for parameter in self.parameters]

    def page(self, request: Request) -> dict[str, Any]:
        """The envelope of one page. One query, and one EXPLAIN if a count is asked for."""
        texts = given(request)
        values = read({**self.defaults, **texts}, self.parameters)
        ordering = self.orderings[values.get("ordering", next(iter(self.orderings)))]
        query = self._identity(texts)
        position = unseal(values["cursor"], query, ordering) if "cursor" in values else None
        limit = values.get("limit", DEFAULT_LIMIT)
        rows = self.fetch(values, ordering, position, limit + 1)
        around = _around(rows, limit, position, [self.columns.index(column.name) for column in ordering.columns])
        envelope: dict[str, Any] = {
            name: None if place is None else _address(request, texts, seal(place, query))
            for name, place in zip(("next", "previous"), around, strict=True)
        }
        if "count" in values:
            envelope["count"] = self.estimate(values)
        envelope["results"] = self._presented(rows[:limit][:: -1 if position and position.backward else 1])
        return envelope

    def first(self, values: Mapping[str, Any], limit: int) -> list[dict[str, Any]]:
        """The first rows in the default ordering; `values` as the filters' readers give them. One query."""
        ordering = next(iter(self.orderings.values()))
        return self._presented(self.fetch(values, ordering, None, limit))

    def _identity(self, texts: Mapping[str, str]) -> str:
        """What makes this query another query than others: not the page, nor its size."""
        kept = sorted((name, text) for name, text in texts.items() if name not in ("limit", "cursor", "count"))
        return f"{self.table}?{urlencode(kept)}"

    def row(self, column: str, value: Any) -> dict[str, Any] | None:
        """The one row with this key, as the list shows it. One query."""
        return next(iter(self._presented(_rows(self._select([f"{column} = %s"]), [value]))), None)

    def _presented(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [self.present(dict(zip(self.columns, row, strict=True))) for row in rows]

    def fetch(self, values: Mapping[str, Any], ordering: Ordering, position: Position | None, limit: int) -> list[Row]:
        """Up to `limit` rows beyond `position`, in the direction in which it looks. One query."""
        return _rows(*self.statement(values, ordering, position, limit))

    def statement(
        self, values: Mapping[str, Any], ordering: Ordering, position: Position | None, limit: int
    ) -> tuple[str, list[Any]]:
        """The SQL of a page and its values."""
        conditions, bound = self._conditions(values)
        if position is not None:
            beyond, key = ordering.beyond(position)
            conditions.append(beyond)
            bound += key
        order = ordering.order_by(backward=position is not None and position.backward)
        return f"{self._select(conditions)} ORDER BY {order} LIMIT %s", [*bound, limit]

    def estimate(self, values: Mapping[str, Any]) -> int:
        """How many rows the planner expects: COUNT(*) would cost more than the page on a large table."""
        conditions, bound = self._conditions(values)
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {self._select(conditions)}", bound)
            plan = cursor.fetchone()[0]
        return int(plan[0]["Plan"]["Plan Rows"])

    def _conditions(self, values: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
        conditions: list[str] = []
        bound: list[Any] = []
        for parameter in self.filters:
            if parameter.name in values:
                conditions.append(parameter.condition)
                value = values[parameter.name]
                bound += value if isinstance(value, tuple) else (value,)
        return conditions, bound

    def _select(self, conditions: Sequence[str]) -> str:
        columns = ", ".join(self.expressions.get(name, name) for name in self.columns)
        where = ("WHERE", " AND ".join(conditions)) if conditions else ()
        return " ".join(("SELECT", columns, "FROM", self.table, *where))


def _rows(statement: str, values: Sequence[Any]) -> list[Row]:
    with connection.cursor() as cursor:
        # psycopg's own reader of times, in C; Django's is Python and takes a fifth of a page's time.
        cursor.cursor.adapters.register_loader("timestamptz", TimestamptzLoader)
        cursor.execute(statement, values)
        found: list[Row] = cursor.fetchall()
    return found


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


def _address(request: Request, texts: Mapping[str, str], cursor: str) -> str:
    query = urlencode({**texts, "cursor": cursor})
    return request.build_absolute_uri(f"{request.path}?{query}")
