"""The figures of the dashboard are those of the data: each is compared with plain SQL over random rows."""

import math
import random
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.utils import timezone

from anomalies import figures
from anomalies.models import Case, ModelVersion, PendingScore
from scoring import GROUPS
from tests.factories import (
    AnalystFactory,
    AnomalyFactory,
    CaseFactory,
    ReferenceFactory,
    TransactionFactory,
    VerdictFactory,
)

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
VALUES = ("fraud", "legitimate", "expected", "unsure", "withdrawn")


def asked(query: str, *parameters: object) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()


@pytest.fixture
def moment() -> datetime:
    return timezone.now()


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(request.node.name)


def worked_cases(moment: datetime, chance: random.Random, count: int) -> None:
    """Cases of three analysts, open, held, held too long and closed, over some forty days."""
    people = AnalystFactory.create_batch(3)
    for _ in range(count):
        opened = moment - chance.uniform(0, 960) * HOUR
        state = chance.choice(Case.State.values)
        changes = {}
        if state == "claimed":
            changes = {"assignee": chance.choice(people), "lease_until": moment + chance.uniform(-1, 1) * HOUR}
        if state == "closed":
            closed = min(opened + chance.expovariate(1 / 9) * HOUR, moment)
            changes = {"closed_by": chance.choice([*people, None]), "closed_at": closed, "outcome": "fraud"}
        CaseFactory(opened_at=opened, state=state, priority=chance.uniform(40, 100), **changes)


def test_the_queue_and_its_ages_are_those_of_the_cases(moment, chance):
    worked_cases(moment, chance, 60)
    found = figures.queue(moment)
    ((todo, claimed, high, oldest),) = asked(
        """SELECT count(*), sum((state = 'claimed')::int), sum((priority >= 80)::int), min(opened_at)
        FROM cases WHERE state IN ('open', 'claimed')"""
    )
    assert found[:3] == (todo, claimed, high)
    assert found.oldest == oldest
    waiting = asked("SELECT extract(epoch FROM %s - opened_at) / 3600 FROM cases WHERE state <> 'closed'", moment)
    bounds = (0, 4, 24, 72, 168, math.inf)
    assert [times for _name, times in found.ages] == [
        sum(low <= age < high for (age,) in waiting) for low, high in pairwise(bounds)
    ]
    assert sum(times for _name, times in found.ages) == todo > 0


def test_the_time_to_a_verdict_is_that_of_the_cases_closed(moment, chance):
    worked_cases(moment, chance, 90)
    for pace, days in zip(figures.pace(moment), (7, 30), strict=True):
        taken = sorted(
            float(seconds)
            for (seconds,) in asked(
                """SELECT extract(epoch FROM closed_at) - extract(epoch FROM opened_at) FROM cases
                WHERE closed_at IS NOT NULL AND closed_at >= %s""",
                moment - timedelta(days=days),
            )
        )
        assert (pace.days, pace.closed) == (days, len(taken))
        assert len(taken) > 5
        for share, found in ((0.5, pace.median), (0.9, pace.ninth)):
            place = share * (len(taken) - 1)
            below, above = taken[math.floor(place)], taken[math.ceil(place)]
            assert found.total_seconds() == pytest.approx(below + (above - below) * (place % 1), abs=1e-3)


def test_the_analysts_load_is_that_of_the_cases(moment, chance):
    worked_cases(moment, chance, 120)
    AnalystFactory(username="idle")
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    people = asked("SELECT id, username FROM auth_user")
    expected = {}
    for pk, name in people:
        ((held,),) = asked(
            "SELECT count(*) FROM cases WHERE state = 'claimed' AND assignee_id = %s AND lease_until > %s", pk, moment
        )
        ((closed, today),) = asked(
            "SELECT count(*), sum((closed_at >= %s)::int) FROM cases WHERE closed_by_id = %s AND closed_at >= %s",
            midnight,
            pk,
            moment - timedelta(days=7),
        )
        if held or closed:
            expected[name] = (held, today or 0, closed)
    found = figures.analysts(moment)
    assert {one.name: (one.held, one.today, one.closed) for one in found} == expected
    assert len(expected) == 3
    assert [one.closed for one in found] == sorted((one.closed for one in found), reverse=True)


def test_precision_is_that_of_the_latest_verdicts_on_anomalies(moment, chance):
    for _ in range(80):
        reason = {"code": "amount_over_median", "group": chance.choice(GROUPS[:3]), "contribution": 1.0}
        weaker = {**reason, "group": GROUPS[5]}
        anomaly = AnomalyFactory(score=chance.choice((45.0, 60.0, 79.9, 80.0, 93.0)), reasons=[reason, weaker])
        for _ in range(chance.choice((0, 1, 1, 2, 3))):
            VerdictFactory(
                transaction=anomaly.transaction,
                value=chance.choice(VALUES),
                known_at=moment - timedelta(days=chance.uniform(0, 120)),
            )
    VerdictFactory.create_batch(5, value="fraud")  # on what nobody flagged
    rows = asked(
        """SELECT a.score, a.reasons #>> '{0,group}', v.value
        FROM anomalies a, verdicts v
        WHERE v.transaction_id = a.transaction_id AND v.value NOT IN ('unsure', 'withdrawn') AND v.known_at >= %s
            AND v.known_at = (SELECT max(known_at) FROM verdicts w WHERE w.transaction_id = v.transaction_id)""",
        moment - timedelta(days=figures.PRECISION_DAYS),
    )
    found = figures.precision(moment)
    assert (found.overall.judged, found.overall.frauds) == (len(rows), sum(value == "fraud" for *_, value in rows))
    assert found.overall.judged > 30
    bounds = {"high": (80, 101), "medium": (60, 80), "low": (40, 60)}
    for one in found.levels:
        low, high = bounds[one.name]
        values = [value for score, _group, value in rows if low <= score < high]
        assert (one.judged, one.frauds) == (len(values), values.count("fraud"))
    by_group = {group: [value for _score, other, value in rows if other == group] for group in GROUPS[:3]}
    assert {one.name: (one.judged, one.frauds) for one in found.reasons} == {
        group: (len(values), values.count("fraud")) for group, values in by_group.items() if values
    }


def test_precision_looks_at_the_newest_verdicts_only(moment, monkeypatch):
    monkeypatch.setattr(figures, "PRECISION_OF", 3)
    for hours, value in enumerate(("fraud", "legitimate", "legitimate", "fraud", "fraud")):
        VerdictFactory(transaction=AnomalyFactory().transaction, value=value, known_at=moment - (hours + 1) * HOUR)
    overall = figures.precision(moment).overall
    assert (overall.judged, overall.frauds) == (3, 1)


def test_without_verdicts_precision_is_unknown(moment):
    found = figures.precision(moment)
    assert (found.overall.share, found.overall.low, found.overall.high) == (None, 0.0, 1.0)
    assert [one.share for one in found.levels] == [None, None, None]


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # R: binom::binom.wilson
    [(0, 10, 0.0, 0.2775328), (10, 10, 0.7224672, 1.0), (7, 20, 0.1811918, 0.5671457), (1, 2, 0.0945312, 0.9054688)],
)
def test_the_interval_is_wilsons(successes, trials, low, high):
    assert figures.wilson(successes, trials) == pytest.approx((low, high), abs=1e-6)


def test_what_scoring_does_is_told_from_what_waits(chance):
    users = [TransactionFactory(user_id=f"00000000-0000-4000-8000-{number:012d}").user_id for number in range(4)]
    for user in users:
        TransactionFactory.create_batch(chance.randint(1, 6), user_id=user)
    firsts = asked("SELECT user_id, min(txn_date) + interval '90 seconds' FROM transactions GROUP BY user_id")
    for user, since in firsts[:3]:
        PendingScore.objects.create(user_id=user, since=since)
    ReferenceFactory(rows=5)
    newest = ReferenceFactory(rows=7, until=timezone.now())
    ((rows,),) = asked(
        "SELECT count(*) FROM transactions t JOIN pending_scores p USING (user_id) WHERE t.txn_date >= p.since"
    )
    found = figures.scoring()
    assert found == (3, rows, min(since for _user, since in firsts[:3]), found.model, newest.until, 7)
    assert found.model == ModelVersion.objects.get(state="live").name


def test_what_waits_is_counted_up_to_a_bound_only(monkeypatch):
    monkeypatch.setattr(figures, "MOST_COUNTED", 2)
    for row in TransactionFactory.create_batch(6):
        PendingScore.objects.update_or_create(user_id=row.user_id, defaults={"since": row.txn_date - HOUR})
    assert (figures.scoring().users, figures.scoring().rows) == (1, 3)
