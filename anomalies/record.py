"""Recording what scoring found: anomalies, and the cases that they open or join."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import orjson
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from psycopg.types.json import Jsonb

from anomalies import cases, outbox
from anomalies.findings import Finding
from anomalies.prepared import array

SQL = Path(__file__).parent / "sql"
KNOWN = (SQL / "findings_known.sql").read_text()
UPDATE = (SQL / "findings_update.sql").read_text()
INSERT = (SQL / "findings_insert.sql").read_text()
# The columns of a new anomaly, each with its type.
TYPES = {
    "transaction_id": "uuid",
    "user_id": "uuid",
    "amount": "numeric",
    "currency": "varchar",
    "txn_date": "timestamptz",
    "status": "varchar",
    "merchant_id": "text",
    "score": "float8",
    "rarity": "float8",
    "raw": "float8",
    "reasons": "jsonb",
    "features": "jsonb",
    "reference_id": "uuid",
    "model_version_id": "uuid",
}
COPY = f"COPY anomalies ({', '.join(TYPES)}) FROM STDIN (FORMAT BINARY)"
DROP = (SQL / "findings_drop.sql").read_text()
STANDING = (SQL / "findings_standing.sql").read_text()

# A backfill opens no case for what happened longer before its newest transaction.
CASES_FOR = timedelta(days=14)
# A finding is some 3 kB with its reasons; this bounds one statement's size.
FINDINGS_AT_ONCE = 2_000

END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)


class Standing(NamedTuple):
    """An anomaly that was there before its row was scored again; `judged`: it stays, however low it scores now."""

    user_id: UUID
    transaction_id: UUID
    judged: bool


class Recorded(NamedTuple):
    """What came of some findings: anomalies kept, old ones dropped, and the cases that opened."""

    kept: int
    dropped: int
    opened: tuple[UUID, ...]

    @property
    def cases_opened(self) -> int:
        return len(self.opened)


def record(
    findings: Sequence[Finding],
    *,
    threshold: float,
    rescored: Sequence[Standing] = (),
    cases_since: datetime | None = None,
) -> Recorded:
    """Keep what reaches settings.ANOMALY_FLOOR, drop what no longer does, open and fill cases.

    Runs in the caller's database transaction: about eight statements for each 2,000 findings, none if there
    is nothing to say. Two writers may record the same user at once.

    findings: a new transaction below the floor may be left out. One below the floor drops its anomaly,
        unless somebody has judged it (a verdict, a closed case): then only its score is brought up to date.
    rescored: the anomalies that stood where rows were scored again. Those that are not among `findings` are
        dropped, unless judged. A caller that hands in the judged ones, however low, keeps their scores up to date.
    threshold: from this score on an anomaly opens a case; below, it only joins one. `math.inf` opens none,
        for a run that calls `cases.open_due` at its end.
    cases_since: nothing that happened earlier opens a case. By default, 14 days before the newest finding.
    """
    if not findings and not rescored:
        return Recorded(0, 0, ())
    kept = [finding for finding in findings if finding.scored.score >= settings.ANOMALY_FLOOR]
    low = [finding for finding in findings if finding.scored.score < settings.ANOMALY_FLOOR]
    lost = _drop(_stale(rescored, findings, low))
    for some in _slices(findings):
        _write(some)
    opened = cases.collect(
        {finding.user_id for finding in kept} | set(lost),
        alerted={finding.user_id for finding in kept if finding.scored.score >= threshold},
        threshold=threshold,
        since=cases_since or max((finding.txn_date - CASES_FOR for finding in kept), default=None),
    )
    return Recorded(len(kept), len(lost), opened)


def standing(users: Sequence[UUID], since: Sequence[datetime], *, until: datetime = END_OF_TIME) -> list[Standing]:
    """The anomalies of each user's rows from the instant in `since` on, and before `until`. One query.

    To be read before the rows that are scored again: what a live request records meanwhile is then not dropped.
    """
    with connection.cursor() as cursor:
        cursor.execute(STANDING, {"users": array(users), "since": array(since), "until": until})
        return [Standing(*row) for row in cursor.fetchall()]


def _stale(
    rescored: Sequence[Standing], findings: Sequence[Finding], low: Sequence[Finding]
) -> list[tuple[UUID, UUID]]:
    """User and transaction of the anomalies that are none any more, unless somebody has judged them."""
    found = {finding.transaction_id for finding in findings}
    unfound = [(stood.user_id, stood.transaction_id) for stood in rescored if stood.transaction_id not in found]
    return unfound + [(finding.user_id, finding.transaction_id) for finding in low]


def _drop(stale: Sequence[tuple[UUID, UUID]]) -> list[UUID]:
    """Delete these anomalies, except judged ones; the user of each one deleted."""
    if not stale:
        return []
    users, transactions = zip(*stale, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(DROP, {"users": list(users), "transactions": list(transactions)})
        return [user for (user,) in cursor.fetchall()]


def _slices(findings: Sequence[Finding]) -> Iterator[Sequence[Finding]]:
    ordered = sorted(findings, key=lambda finding: (finding.user_id, finding.transaction_id))
    for start in range(0, len(ordered), FINDINGS_AT_ONCE):
        yield ordered[start : start + FINDINGS_AT_ONCE]


def _write(findings: Sequence[Finding]) -> None:
    """Update the anomalies that exist, then insert the ones at the floor that are missing."""
    keys = {
        "users": array(finding.user_id for finding in findings),
        "ids": array(finding.transaction_id for finding in findings),
    }
    with connection.cursor() as cursor:
        cursor.execute(KNOWN, keys)
        known = {transaction_id for (transaction_id,) in cursor.fetchall()}
        changed = [finding for finding in findings if finding.transaction_id in known]
        missing = [
            finding
            for finding in findings
            if finding.transaction_id not in known and finding.scored.score >= settings.ANOMALY_FLOOR
        ]
        if changed:
            cursor.execute(UPDATE, {"findings": _as_json(changed)})
    if missing:
        _tell(_insert(missing))


def _insert(findings: Sequence[Finding]) -> Sequence[Finding]:
    """Those of the new anomalies that no other writer has added meanwhile."""
    try:
        with transaction.atomic():
            _copy(findings)
    except IntegrityError:
        with connection.cursor() as cursor:
            cursor.execute(INSERT, {"findings": _as_json(findings)})
            added = {transaction_id for (transaction_id,) in cursor.fetchall()}
        return [finding for finding in findings if finding.transaction_id in added]
    return findings


def _copy(findings: Sequence[Finding]) -> None:
    """Raises IntegrityError. Takes two thirds of the time of an INSERT, which would read them as JSON."""
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(COPY) as copy:
        copy.set_types(list(TYPES.values()))
        for finding in findings:
            row = {**columns(finding), "amount": finding.amount}
            copy.write_row([_json(row[name]) if kind == "jsonb" else row[name] for name, kind in TYPES.items()])


def _json(value: object) -> Jsonb:
    return Jsonb(value, orjson.dumps)


def _tell(added: Sequence[Finding]) -> None:
    """Events of the anomalies that are news."""
    since = timezone.now() - outbox.NEWS_FOR
    outbox.emit_many([outbox.anomaly_created(finding) for finding in added if finding.txn_date >= since])


def _as_json(findings: Sequence[Finding]) -> str:
    return orjson.dumps([columns(finding) for finding in findings]).decode()


def columns(finding: Finding) -> Mapping[str, object]:
    """A finding as one row of `anomalies`. Money goes as text, through no float."""
    scored = finding.scored
    return {
        "transaction_id": finding.transaction_id,
        "user_id": finding.user_id,
        "amount": str(finding.amount),
        "currency": finding.currency,
        "txn_date": finding.txn_date,
        "status": finding.status,
        "merchant_id": finding.merchant_id,
        "score": scored.score,
        "rarity": scored.rarity,
        "raw": scored.raw,
        "reasons": scored.reasons,
        "features": _finite(scored.features),
        "reference_id": scored.reference_id,
        "model_version_id": scored.model_version_id,
    }


def _finite(features: Mapping[str, float]) -> Mapping[str, float]:
    """JSON has no other numbers. Nearly always that is all of them."""
    if all(map(math.isfinite, features.values())):
        return features
    return {name: value for name, value in features.items() if math.isfinite(value)}
