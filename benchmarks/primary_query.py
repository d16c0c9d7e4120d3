"""The primary query, as the ORM gives it, and what PostgreSQL makes of it."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from benchmarks.scratch import HEAVY_USER
from transactions.models import Transaction

# Users of `scratch.fill`; the second has a few hundred rows, the third about five.
ORDINARY_USER = "10000000-0000-4000-8000-000000000001"
SMALL_USER = "10000000-0000-4000-8000-000000004000"
YEAR = (datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
JUNE = (datetime(2025, 6, 1, tzinfo=UTC), datetime(2025, 7, 1, tzinfo=UTC))
ANY_AMOUNT = (Decimal("0.00"), Decimal("1000000.00"))
NARROW_AMOUNT = (Decimal("150.00"), Decimal("155.00"))


def primary_query(
    user_id: str, dates: tuple[datetime, datetime], amounts: tuple[Decimal, Decimal]
) -> QuerySet[Transaction]:
    return Transaction.objects.filter(
        user_id=user_id,
        txn_date__gte=dates[0],
        txn_date__lte=dates[1],
        amount__gte=amounts[0],
        amount__lte=amounts[1],
    ).order_by("-txn_date", "id")[:100]


QUERIES = {
    "heavy user, a year": (HEAVY_USER, YEAR, ANY_AMOUNT),
    "heavy user, June": (HEAVY_USER, JUNE, ANY_AMOUNT),
    "heavy user, narrow amount": (HEAVY_USER, YEAR, NARROW_AMOUNT),
    "ordinary user, a year": (ORDINARY_USER, YEAR, ANY_AMOUNT),
    "ordinary user, narrow amount": (ORDINARY_USER, YEAR, NARROW_AMOUNT),
    "small user, a year": (SMALL_USER, YEAR, ANY_AMOUNT),
}


@dataclass(frozen=True)
class Plan:
    """A plan as EXPLAIN (FORMAT JSON) gives it; times in ms and buffers only if it was run."""

    nodes: list[dict[str, Any]]
    time_ms: float | None

    @property
    def kinds(self) -> list[str]:
        return [node["Node Type"] for node in self.nodes]

    @property
    def indexes(self) -> set[str]:
        return {node["Index Name"] for node in self.nodes if "Index Name" in node}

    @property
    def sorts(self) -> bool:
        return any("Sort" in kind for kind in self.kinds)

    @property
    def buffers(self) -> int:
        return int(self.nodes[0]["Shared Hit Blocks"] + self.nodes[0]["Shared Read Blocks"])


def plan_of(query: QuerySet[Any], *, run: bool = False) -> Plan:
    """The plan of a query; `run` runs it, too."""
    (explained,) = json.loads(query.explain(format="json", **({"analyze": True, "buffers": True} if run else {})))
    return Plan(nodes_of(explained["Plan"]), explained.get("Execution Time"))


def nodes_of(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(below for child in node.get("Plans", []) for below in nodes_of(child))]
