"""What normal looked like, kept and found again. A stored reference is never changed."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

import scoring
from anomalies.models import Reference


@dataclass(frozen=True, slots=True)
class Stored:
    """A reference in memory, with its identity and the instant from which on it may judge."""

    id: UUID
    until: datetime
    content: scoring.Reference


def in_force(at: datetime) -> Stored | None:
    """The newest reference that ends at or before `at`, so that nothing is judged by its own future. One query."""
    found = Reference.objects.filter(until__lte=at).order_by("-until").values_list("id", "until").first()
    return None if found is None else _read(*found)


def all_stored() -> list[Stored]:
    """Every reference, oldest first. One query, and one for each that this process has not seen yet."""
    return [_read(*found) for found in Reference.objects.order_by("until").values_list("id", "until")]


def save(content: scoring.Reference, *, since: datetime, until: datetime, rows: int) -> None:
    """Keep a reference of [since, until). One that ends at the same instant stays: two runs may meet here."""
    Reference.objects.bulk_create(
        [Reference(since=since, until=until, rows=rows, payload=content.to_bytes())], ignore_conflicts=True
    )


@lru_cache(maxsize=256)
def _read(id: UUID, until: datetime) -> Stored:  # noqa: A002
    payload = Reference.objects.values_list("payload", flat=True).get(pk=id)
    return Stored(id=id, until=until, content=scoring.Reference.from_bytes(bytes(payload)))
