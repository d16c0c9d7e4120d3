"""Recording the finding of a row that was stored only just now, for whoever waits: `record` in one round trip or two.

What goes into the user's case, if there is one, is reckoned by statements that begin only when its row is locked; they
find it by its user, so that nobody has to hear of it in between.
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
from anomalies.round_trip import COMMIT, Statement, Talk

SQL = Path(__file__).parent / "sql"
ADD_SQL = (SQL / "finding_add.sql").read_text()
ADD = Statement(ADD_SQL)
ADD_AND_TELL = Statement((SQL / "finding_tell.sql").read_text().replace("{add}", ADD_SQL))
# One case and not a list of them: PostgreSQL would plan anew each time, for the length of the list.
ONE = "(VALUES (%(case_id)s::uuid, %(user_id)s::uuid))"
OPEN = Statement(cases.OPEN_SQL.replace("{offered}", ONE))
LOCK = Statement(cases.LOCK_SQL.replace("{user}", "%(user_id)s::uuid"))
# That of the user which is not closed, if there is one: it is locked.
HELD = "(SELECT id, user_id{more} FROM cases WHERE user_id = %(user_id)s::uuid AND state <> 'closed')"
GATHER = Statement(cases.GATHER_SQL.replace("{held}", HELD.replace("{more}", ", since")))
TALLY = Statement(cases.TALLY_SQL.replace("{held}", HELD.replace("{more}", "")))
EMPTY = Statement("SELECT id FROM cases WHERE user_id = %(user_id)s::uuid AND state = 'open' AND anomaly_count = 0")
# What goes into the case.
FILL = (GATHER, TALLY, EMPTY)


def record_fresh(finding: Finding, *, threshold: float, commits: bool = False) -> Recorded:
    """As `record` of one finding at the floor or above, whose row the caller's database transaction has stored.

    One round trip, which commits that transaction where it `commits` and the finding is no alert; another one if a case
    opens, which is told. If there is such an anomaly all the same, left behind by a row that was deleted, `record`
    brings it up to date.
    """
    is_news = finding.txn_date >= timezone.now() - outbox.NEWS_FOR
    is_alert = finding.scored.score >= threshold
    since = finding.txn_date - CASES_FOR
    case = {"case_id": uuid7(), "threshold": threshold, "since": since, "reach": f"{cases.REACH.days} days"}
    values = _anomaly(finding) | (_event(finding) if is_news else {}) | case
    add = ADD_AND_TELL if is_news else ADD
    asked = (add, *((OPEN,) if is_alert else ()), LOCK, *FILL)
    talk = Talk(reply=lambda: (COMMIT,)) if commits and not is_alert else None
    told = [*map(round_trip.texts, round_trip.together(asked, values, talk=talk))]
    answers = dict(zip(asked, told, strict=False))
    opened = answers.get(OPEN, [])
    if opened:
        outbox.emit_many([outbox.case_opened(UUID(case), UUID(user), float(score)) for case, user, score in opened])
    cases.remove_empty([UUID(case_id) for (case_id,) in answers[EMPTY]])
    ids = tuple(UUID(case_id) for case_id, _user_id, _score in opened)
    if not answers[add]:
        again = record([finding], threshold=threshold)
        return again._replace(opened=ids + again.opened)
    if is_alert and not answers[LOCK]:
        # The case that kept one from opening was closed before it could be joined.
        alone = [finding.user_id]
        ids += cases.collect(alone, alerted=alone, threshold=threshold, since=since)
    return Recorded(1, 0, ids)


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
