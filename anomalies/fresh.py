"""Recording the finding of a row that was stored only just now, for whoever waits: `record` in one round trip or two.

Most strange payments stand alone, and one round trip says so. Another one follows where the user has a case: what goes
into a case is reckoned by statements that begin only when its row is locked.
"""

from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from django.utils import timezone
from uuid_utils.compat import uuid7

from anomalies import cases, outbox, round_trip
from anomalies.findings import Finding
from anomalies.record import CASES_FOR, Recorded, columns, record
from anomalies.round_trip import Statement

SQL = Path(__file__).parent / "sql"
ADD_SQL = (SQL / "finding_add.sql").read_text()
ADD = Statement(ADD_SQL)
ADD_AND_TELL = Statement((SQL / "finding_tell.sql").read_text().replace("{add}", ADD_SQL))
TELL = Statement(outbox.ADD)
# One case and not a list of them: PostgreSQL would plan anew each time, for the length of the list.
ONE = "(VALUES (%(case_id)s::uuid, %(user_id)s::uuid))"
OPEN = Statement(cases.OPEN_SQL.replace("{offered}", ONE))
LOCK = Statement(cases.LOCK_SQL.replace("{user}", "%(user_id)s::uuid"))
GATHER = Statement(
    cases.GATHER_SQL.replace("{held}", "(VALUES (%(case_id)s::uuid, %(user_id)s::uuid, %(since)s::timestamptz))")
)
TALLY = Statement(cases.TALLY_SQL.replace("{held}", ONE))
EMPTY = Statement("SELECT id FROM cases WHERE id = %(case_id)s::uuid AND state = 'open' AND anomaly_count = 0")


def record_fresh(finding: Finding, *, threshold: float) -> Recorded:
    """As `record` of one finding at the floor or above, whose row the caller's database transaction has stored.

    One round trip, and another one if the user has a case, or gets one now. If there is such an anomaly all the same,
    left behind by a row that was deleted, `record` brings it up to date.
    """
    is_news = finding.txn_date >= timezone.now() - outbox.NEWS_FOR
    is_alert = finding.scored.score >= threshold
    since = finding.txn_date - CASES_FOR
    case = {"case_id": uuid7(), "threshold": threshold, "since": since, "reach": f"{cases.REACH.days} days"}
    values = _anomaly(finding) | (_event(finding) if is_news else {}) | case
    asked = (ADD_AND_TELL if is_news else ADD, *([OPEN] if is_alert else []), LOCK)
    added, *opened, held = map(round_trip.texts, round_trip.together(asked, values))
    fresh = opened[0] if opened else []
    if held:
        _fill(held[0], fresh)
    ids = tuple(UUID(case_id) for case_id, _user_id, _priority in fresh)
    if not added:
        again = record([finding], threshold=threshold)
        return again._replace(opened=ids + again.opened)
    if is_alert and not held:
        # The case that kept one from opening was closed before it could be joined.
        alone = [finding.user_id]
        ids += cases.collect(alone, alerted=alone, threshold=threshold, since=since)
    return Recorded(1, 0, ids)


def _fill(held: tuple[str, ...], opened: list[tuple[str, ...]]) -> None:
    """Put the user's stray anomalies into the locked case, after telling that it was opened if it was."""
    case_id, user_id, since = held
    told = [outbox.case_opened(UUID(case), UUID(user), float(priority)) for case, user, priority in opened]
    values = {"case_id": case_id, "user_id": user_id, "since": since, **outbox.values_of(told)}
    results = round_trip.together((*([TELL] if told else []), GATHER, TALLY, EMPTY), values)
    if round_trip.texts(results[-1]):
        cases.remove_empty([UUID(case_id)])


def _anomaly(finding: Finding) -> dict[str, Any]:
    row = columns(finding)
    return {**row, **{name: orjson.dumps(row[name]).decode() for name in ("reasons", "features")}}


def _event(finding: Finding) -> dict[str, Any]:
    event = outbox.anomaly_created(finding)
    return {
        "event_id": uuid7(),
        "kind": event.kind,
        "body": orjson.dumps(event.body).decode(),
        "channel": outbox.CHANNEL,
    }
