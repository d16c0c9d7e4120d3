"""The rows of a list as SQL text: what its viewset declares with a queryset and a serializer, without their cost."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple, Self

from django.db import connection

from anomalies.guard import Guard, Unsure
from anomalies.prepared import fetch

Row = tuple[Any, ...]
# The lookups that filters are declared with, as SQL.
LOOKUPS = {"exact": "= %s", "gte": ">= %s", "lte": "<= %s", "in": "= ANY(%s)", "range": "BETWEEN %s AND %s"}


class Condition(NamedTuple):
    """What is asked of a column, in the words of Django's lookups."""

    column: str
    lookup: str
    value: Any


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


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Columns of a table, its orderings (each served by an index, the first one if none is asked for), and conditions.

    `expressions` give the SQL of columns that are not the table's own, `present` makes a row's JSON from its columns.
    """

    table: str
    columns: tuple[str, ...]
    orderings: Mapping[str, Ordering]
    expressions: Mapping[str, str] = field(default_factory=dict)
    present: Callable[[dict[str, Any]], dict[str, Any]] = dict
    # Fields that `present` adds to the columns.
    computed: tuple[str, ...] = ()
    countable: bool = True
    conditions: tuple[Condition, ...] = ()
    # Asked of each page besides; not of a single row.
    guard: Guard | None = None

    @property
    def shown(self) -> tuple[str, ...]:
        """The fields of a row, as JSON."""
        return (*self.columns, *self.computed)

    def where(self, *conditions: Condition) -> Self:
        return replace(self, conditions=(*self.conditions, *conditions)) if conditions else self

    def first(self, limit: int) -> list[dict[str, Any]]:
        """The first rows in the first ordering, as JSON. One query."""
        return self.presented(self.fetch(next(iter(self.orderings.values())), None, limit))

    def row(self, column: str, value: Any) -> dict[str, Any] | None:
        """The one row with this key, as the list shows it. One query."""
        one = self.where(Condition(column, "exact", value))
        return next(iter(self.presented(fetch(*one._select()))), None)

    def presented(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [self.present(dict(zip(self.columns, row, strict=True))) for row in rows]

    def fetch(self, ordering: Ordering, position: Position | None, limit: int) -> list[Row]:
        """Up to `limit` rows beyond `position`, in the direction in which it looks. One query.

        Raises Unsure if there is none and the guard may be the reason.
        """
        # One plan suits all values where the index leads to the rows: without filters, or to one user's.
        prepare = not self.conditions or self.conditions[0][:2] == ("user_id", "exact")
        rows = fetch(*self.statement(ordering, position, limit), prepare=prepare)
        if self.guard is not None:
            if not rows:
                raise Unsure
            self.guard.is_met = True
        return rows

    def statement(self, ordering: Ordering, position: Position | None, limit: int) -> tuple[str, list[Any]]:
        """The SQL of a page and its values."""
        further: list[str] = []
        given: list[Any] = []
        if self.guard is not None:
            further.append(self.guard.condition)
            given += self.guard.values
        if position is not None:
            beyond, key = ordering.beyond(position)
            further.append(beyond)
            given += key
        select, values = self._select(further)
        order = ordering.order_by(backward=position is not None and position.backward)
        return f"{select} ORDER BY {order} LIMIT %s", [*values, *given, limit]

    def estimate(self) -> int:
        """How many rows the planner expects: COUNT(*) would cost more than the page on a large table."""
        select, values = self._select()
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {select}", values)
            plan = cursor.fetchone()[0]
        return int(plan[0]["Plan"]["Plan Rows"])

    def _select(self, further: Sequence[str] = ()) -> tuple[str, list[Any]]:
        """The SQL of the rows that meet the conditions (and `further` ones), and the conditions' values."""
        columns = ", ".join(self.expressions.get(name, name) for name in self.columns)
        texts = [f"{one.column} {LOOKUPS[one.lookup]}" for one in self.conditions]
        values: list[Any] = []
        for one in self.conditions:
            values += one.value if one.lookup == "range" else (one.value,)
        where = ("WHERE", " AND ".join([*texts, *further])) if texts or further else ()
        return " ".join(("SELECT", columns, "FROM", self.table, *where)), values
