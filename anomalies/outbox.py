"""The outbox: events are written with what they tell about, in one database transaction, and read in one order.

Numbers given while writing would not do: transactions commit in another order than they draw numbers, so whoever reads
on from the last number he saw misses the smaller ones that appear later. So an event gets its position after the
commit, under a lock, from whoever reads next: what is behind a position never changes. (Waiting until all older
database transactions have ended does it too, but these may be another database's, and take hours.)
Within one user the order is that of what happened: whoever writes about a user holds a lock until he commits.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import connection, transaction
from django.db.models import Max
from uuid_utils.compat import uuid7

import scoring
from anomalies.events import OutboxEvent
from anomalies.findings import Finding
from anomalies.models import ModelVersion
from anomalies.sentences import sentences

SQL = Path(__file__).parent / "sql"
ADD = (SQL / "outbox_add.sql").read_text()
READ = (SQL / "outbox_read.sql").read_text()
PLACE = (SQL / "outbox_place.sql").read_text()

# Any number that no other advisory lock here uses.
TURN = 7_201_604_952
# The channel on which a commit with events is told.
CHANNEL = "outbox"
# Loading years of history is no news: anomalies of older payments make no events.
NEWS_FOR = timedelta(days=7)

Kind = OutboxEvent.Kind


class Event(NamedTuple):
    """What happened, to whose payments; `subject` is the transaction, case, verdict or model that it is about."""

    kind: str
    user_id: UUID | None
    subject: UUID
    body: dict[str, Any]
    score: float | None = None


class Written(NamedTuple):
    """An event as it was read; `position` is where to read on, `id` what consumers know it by."""

    position: int
    id: UUID
    kind: str
    user_id: UUID | None
    subject: UUID
    score: float | None
    body: dict[str, Any]
    at: datetime


def emit(kind: str, *, user_id: UUID | None, subject: UUID, body: dict[str, Any], score: float | None = None) -> None:
    """Write one event, in the caller's database transaction."""
    emit_many([Event(kind, user_id, subject, body, score)])


def emit_many(events: Sequence[Event]) -> None:
    """Write events in their order, in the caller's database transaction. One statement; listeners hear the commit."""
    if not events:
        return
    with connection.cursor() as cursor:
        cursor.execute(ADD, values_of(events))


def values_of(events: Sequence[Event]) -> dict[str, str]:
    """What the statement ADD takes to write them."""
    rows = [{"id": uuid7(), **event._asdict()} for event in events]
    return {"events": orjson.dumps(rows).decode(), "channel": CHANNEL}


def read_after(
    position: int,
    *,
    limit: int,
    kinds: Sequence[str] = (),
    user_id: UUID | None = None,
    min_score: float | None = None,
) -> list[Written]:
    """The next events after a position, at most `limit`, of these kinds, of this user, from this score on.

    0 is before all. Gives new events their positions first, so not within a transaction that goes on.
    """
    place()
    parameters: dict[str, Any] = {
        "position": position,
        "kinds": list(kinds),
        "user_id": user_id,
        "min_score": min_score,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(READ, parameters)
        rows = cursor.fetchall()
    return [Written(*row)._replace(body=orjson.loads(row[6])) for row in rows]


def end() -> int:
    """The last position: for a listener who wants only what comes."""
    place()
    last: int | None = OutboxEvent.objects.aggregate(last=Max("position"))["last"]
    return last or 0


def place() -> None:
    """Give every committed event that has none its position. One query where there is none."""
    if not OutboxEvent.objects.filter(position__isnull=True).exists():
        return
    with transaction.atomic(), connection.cursor() as cursor:
        # A statement of its own: the next one sees what was committed while this one waited.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [TURN])
        cursor.execute(PLACE)


def anomaly_created(finding: Finding) -> Event:
    """The event of an anomaly that was found."""
    scored = finding.scored
    texts = scored.sentences or sentences(scored.reasons, finding.currency)
    body = {
        "transaction_id": finding.transaction_id,
        "user_id": finding.user_id,
        "amount": str(finding.amount),
        "currency": finding.currency,
        "txn_date": finding.txn_date,
        "status": finding.status,
        "merchant_id": finding.merchant_id,
        "score": scored.score,
        "rarity": scored.rarity,
        "level": scored.level,
        "reasons": [{**one, "sentence": text} for one, text in zip(scored.reasons, texts, strict=True)],
    }
    return Event(Kind.ANOMALY_CREATED, finding.user_id, finding.transaction_id, body, scored.score)


def case_opened(case_id: UUID, user_id: UUID, priority: float, *, reopened: bool = False) -> Event:
    """The event of a case that came into the queue."""
    body = {
        "case_id": case_id,
        "user_id": user_id,
        "priority": priority,
        "level": scoring.level(priority),
        "reopened": reopened,
    }
    return Event(Kind.CASE_OPENED, user_id, case_id, body, priority)


def case_closed(case_id: UUID, user_id: UUID, priority: float, *, outcome: str, by: str) -> Event:
    """The event of a case that was closed."""
    body = {"case_id": case_id, "user_id": user_id, "priority": priority, "outcome": outcome, "closed_by": by}
    return Event(Kind.CASE_CLOSED, user_id, case_id, body, priority)


def verdict_created(
    verdict_id: UUID, transaction_id: UUID, user_id: UUID, *, value: str, source: str, known_at: datetime | None
) -> Event:
    """The event of a verdict; its value is "withdrawn" where an analyst takes an earlier one back."""
    body = {
        "verdict_id": verdict_id,
        "transaction_id": transaction_id,
        "user_id": user_id,
        "value": value,
        "source": source,
        "known_at": known_at,
    }
    return Event(Kind.VERDICT_CREATED, user_id, verdict_id, body)


def model_promoted(model: ModelVersion, *, replaces: str) -> Event:
    """The event of a model that goes live; `replaces` is the name of the one before it."""
    body = {
        "model_version_id": model.pk,
        "name": model.name,
        "weights": model.weights,
        "live_from": model.live_from,
        "replaces": replaces,
    }
    return Event(Kind.MODEL_PROMOTED, None, model.pk, body)
