"""What normal looked like, kept and found again. A stored reference is never changed.

Models follow on one another: each judges by its own references, from its `live_from` on up to the next one's, so that
a row has the same score whenever it is scored.
"""

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

import scoring
from anomalies.models import ModelVersion, Reference
from anomalies.renewed import Renewed
from scoring.reference import VERSION


@dataclass(frozen=True, slots=True)
class Stored:
    """A reference in memory, with its identity, its model's, and the instant from which on it judges."""

    id: UUID
    begins: datetime
    content: scoring.Reference
    model_version_id: UUID


class Turn(NamedTuple):
    """From when on which stored reference, of which model, judges."""

    begins: datetime
    id: UUID
    model_version_id: UUID


# In the order of time.
Listed = Sequence[Turn]


class _Known(Renewed[Listed]):
    """The list of stored references as this process last read it."""

    def __init__(self) -> None:
        super().__init__(lambda: _listed())


_known = _Known()


def in_force(at: datetime) -> Stored | None:
    """The newest reference that ends at or before `at`, so that nothing is judged by its own future, of the model then.

    One that another process has just built, or let go live, counts some seconds later (`anomalies.renewed`),
    which spares a live score its query: every score names the reference it used.
    """
    (found,) = in_force_at([at])
    return found


def in_force_at(instants: Sequence[datetime]) -> list[Stored | None]:
    """The one in force at each instant. At most one query, and one for each that this process has not seen yet."""
    listed = _known()
    begun = [turn.begins for turn in listed]
    places = [bisect_right(begun, at) for at in instants]
    return [_read(*listed[place - 1]) if place else None for place in places]


def built() -> set[tuple[UUID, datetime]]:
    """Model and end of every stored reference. One query."""
    return set(Reference.objects.filter(version=VERSION).values_list("model_version_id", "until"))


def any_built() -> bool:
    """Whether there is one of this version of scoring. One query."""
    return Reference.objects.filter(version=VERSION).exists()


def all_stored() -> list[Stored]:
    """Every reference that judges, in the order of time. One query, and one for each that this process has not seen."""
    return [_read(*turn) for turn in _listed()]


def of_model(model_version_id: UUID, ends: Collection[datetime]) -> dict[datetime, Stored]:
    """Those of a model that end at one of `ends`, by their ends, as if it had always been live. Queries as above."""
    kept = Reference.objects.filter(version=VERSION, model_version_id=model_version_id, until__in=ends)
    return {until: _read(until, id, model_version_id) for id, until in kept.values_list("id", "until")}  # noqa: A001


def by_end(*, since: datetime) -> dict[datetime, scoring.Reference]:
    """One reference for each end from `since` on, of whichever model: they have the same norms. Queries as above."""
    kept = Reference.objects.filter(version=VERSION, until__gte=since).order_by("-id")
    rows = kept.values_list("until", "id", "model_version_id")
    return {until: _read(until, stored, model).content for until, stored, model in rows}


def save(content: scoring.Reference, *, model: ModelVersion, since: datetime, until: datetime) -> None:
    """Keep a model's reference of [since, until). One that ends at the same instant stays: two runs may meet here."""
    made = Reference(
        model_version=model, since=since, until=until, rows=content.rows, payload=content.to_bytes(), version=VERSION
    )
    Reference.objects.bulk_create([made], ignore_conflicts=True)


def _listed() -> Listed:
    """Those that this version of scoring reads. An upgrade leaves the others to the anomalies that name them."""
    kept = Reference.objects.filter(version=VERSION, model_version__live_from__isnull=False).order_by("until")
    rows: Any = kept.values_list("model_version__live_from", "until", "id", "model_version_id")
    return in_turn(list(rows))


def in_turn(kept: Sequence[tuple[datetime, datetime, UUID, UUID]]) -> Listed:
    """Which of these (their model's live_from, end, id, model), sorted by their ends, judges from when on.

    A model begins with the newest that it has then, and goes on with each later one as it ends. Until it has any, the
    model before it goes on.
    """
    starts = sorted({live_from for live_from, *_ in kept})
    follower = dict(pairwise(starts))
    turns: dict[datetime, Turn] = {}
    for live_from, until, id, model in kept:  # noqa: A001
        begins = max(live_from, until)
        if live_from not in follower or begins < follower[live_from]:
            turns[begins] = Turn(begins, id, model)
    return [turns[begins] for begins in sorted(turns)]


@lru_cache(maxsize=256)
def _read(begins: datetime, id: UUID, model_version_id: UUID) -> Stored:  # noqa: A002
    payload = Reference.objects.values_list("payload", flat=True).get(pk=id)
    return Stored(id, begins, scoring.Reference.from_bytes(bytes(payload)), model_version_id)
