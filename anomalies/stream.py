"""The live stream: who listens to which events, from where on, and how an event is written to him.

Server-sent events: an `id` is a position in the outbox, from which a listener who comes back reads on.
"""

from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from anomalies import outbox

# Where a server that can hold a listener's connection says whether it has room, and is told of a new one.
ROOM = "anomaly_server.stream.room"
LISTENER = "anomaly_server.stream.listener"
# Milliseconds after which a listener whose connection ended comes back.
RETRY_MS = 2_000
# The last one by the sequence: it stays when all events have been removed.
FIRST_AND_LAST = "SELECT min(position), coalesce(pg_sequence_last_value('outbox_positions'), 0) FROM outbox_events"


@dataclass
class Listener:
    """What one connection wants to hear, up to which position it has heard, and by whose right."""

    position: int
    kinds: tuple[str, ...] = ()
    user_id: UUID | None = None
    min_score: float | None = None
    # The key it came with; without one, its connection ends with this instant of the monotonic clock.
    key: str = ""
    ends: float = field(default=float("inf"))

    def wants(self, event: outbox.Written) -> bool:
        """As `outbox.read_after` chooses."""
        return (
            event.position > self.position
            and (not self.kinds or event.kind in self.kinds)
            and (self.user_id is None or event.user_id == self.user_id)
            and (self.min_score is None or (event.score is not None and event.score >= self.min_score))
        )

    def missed(self, limit: int) -> list[outbox.Written]:
        """The next events that it has not heard."""
        return outbox.read_after(
            self.position, limit=limit, kinds=self.kinds, user_id=self.user_id, min_score=self.min_score
        )

    def has_ended(self) -> bool:
        return monotonic() >= self.ends


def is_known(position: int) -> bool:
    """True if all that came after this position is still there. Old events are removed; a backup may lack new ones."""
    first, last = _first_and_last()
    return bool((last if first is None else first - 1) <= position <= last)


def end() -> int:
    """The last position that was given: for a listener who wants only what comes."""
    outbox.place()
    return _first_and_last()[1]


def _first_and_last() -> tuple[int | None, int]:
    with connection.cursor() as cursor:
        cursor.execute(FIRST_AND_LAST)
        first, last = cursor.fetchone()
    return first, last


def greeting(position: int) -> bytes:
    """The first words: whoever comes back before the first event reads on from here too."""
    return b"retry: %d\n%s" % (RETRY_MS, heartbeat(position))


def heartbeat(position: int) -> bytes:
    """Nothing happened up to this position; no event, but known as the last one."""
    return b": alive\nid: %d\n\n" % position


def written(event: outbox.Written) -> bytes:
    """An event as the stream tells it."""
    body: dict[str, Any] = {
        "id": f"evt_{event.id}",
        "type": event.kind,
        "timestamp": event.at,
        "data": event.body,
    }
    # One line: JSON has no line ends of its own.
    data = orjson.dumps(body, option=orjson.OPT_UTC_Z)
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.position, event.kind.encode(), data)
