"""What normal looked like, kept and found again. A stored reference is never changed."""

import math
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from django.conf import settings

import scoring
from anomalies.models import Reference
from scoring.reference import VERSION


@dataclass(frozen=True, slots=True)
class Stored:
    """A reference in memory, with its identity and the instant from which on it may judge."""

    id: UUID
    until: datetime
    content: scoring.Reference


# (id, until) of the stored references, oldest first.
Listed = Sequence[tuple[UUID, datetime]]


class _Known:
    """The list of stored references as this process last read it, for settings.LIVE_CACHE_S seconds."""

    def __init__(self) -> None:
        self.read_at = -math.inf
        self.listed: Listed = ()

    def __call__(self) -> Listed:
        now = time.monotonic()
        if now - self.read_at >= settings.LIVE_CACHE_S:
            # Two threads may read at once: both read the truth.
            self.listed, self.read_at = _listed(), now
        return self.listed


_known = _Known()


def in_force(at: datetime) -> Stored | None:
    """The newest reference that ends at or before `at`, so that nothing is judged by its own future.

    One that another process has just built counts some seconds later (settings.LIVE_CACHE_S), which
    spares a live score its query: every score names the reference it used.
    """
    (found,) = in_force_at([at])
    return found


def in_force_at(instants: Sequence[datetime]) -> list[Stored | None]:
    """The one in force at each instant. At most one query, and one for each that this process has not seen yet."""
    listed = _known()
    ends = [until for _, until in listed]
    places = [bisect_right(ends, at) for at in instants]
    return [_read(*listed[place - 1]) if place else None for place in places]


def ends() -> set[datetime]:
    """Where the stored references end. One query."""
    return {until for _, until in _listed()}


def all_stored() -> list[Stored]:
    """Every reference, oldest first. One query, and one for each that this process has not seen yet."""
    return [_read(*found) for found in _listed()]


def save(content: scoring.Reference, *, since: datetime, until: datetime, rows: int) -> None:
    """Keep a reference of [since, until). One that ends at the same instant stays: two runs may meet here."""
    Reference.objects.bulk_create(
        [Reference(since=since, until=until, rows=rows, payload=content.to_bytes(), version=VERSION)],
        ignore_conflicts=True,
    )


def _listed() -> Listed:
    """Those that this version of scoring reads. An upgrade leaves the others to the anomalies that name them."""
    return tuple(Reference.objects.filter(version=VERSION).order_by("until").values_list("id", "until"))


@lru_cache(maxsize=256)
def _read(id: UUID, until: datetime) -> Stored:  # noqa: A002
    payload = Reference.objects.values_list("payload", flat=True).get(pk=id)
    return Stored(id=id, until=until, content=scoring.Reference.from_bytes(bytes(payload)))
