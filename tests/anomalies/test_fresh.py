"""Recording one finding of a row just stored is `record` of it, in one round trip or two."""

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from anomalies import cases
from anomalies.findings import Finding
from anomalies.fresh import record_fresh
from anomalies.models import Anomaly, Case
from anomalies.outbox import OutboxEvent
from anomalies.record import Recorded, record
from tests.anomalies.findings import LARGE, finding, reference
from tests.factories import AnalystFactory, AnomalyFactory, CaseFactory, VerdictFactory

DAY = timedelta(days=1)
# One instant for all, or what two of them made would differ by the time between them.
NOW = timezone.now().replace(microsecond=123)
USER = UUID(int=1)
THRESHOLD = 60.0
FRESH, EARLIER = UUID(int=77), UUID(int=78)


def found(score: float = 80.0, *, days: float = 0, transaction_id: UUID | None = FRESH, **changes: Any) -> Finding:
    """What was found of a payment of now, or of so many days later."""
    return finding(user=USER, score=score, at=NOW + timedelta(days=days), transaction=transaction_id, **changes)


def earlier(score: float, *, days: float = -1) -> None:
    record([found(score, days=days, transaction_id=EARLIER)], threshold=THRESHOLD)


def claimed() -> None:
    earlier(80.0)
    cases.claim(Case.objects.get().pk, by=AnalystFactory())


def closed() -> None:
    earlier(80.0)
    cases.close(Case.objects.get().pk, outcome="fraud", by=AnalystFactory(username="ana"))


def left_behind() -> None:
    """An anomaly whose row is gone, and comes again with another score."""
    record([found(45.0)], threshold=THRESHOLD)


def judged(transaction_id: UUID) -> None:
    anomaly = AnomalyFactory(user_id=USER, transaction__id=transaction_id, score=70.0, reference=reference())
    VerdictFactory(transaction=anomaly.transaction)


def empty_case() -> None:
    """Whoever had it gave it back when nothing was left of it, and it reaches back no further than tomorrow."""
    CaseFactory(user_id=USER, state="open", since=NOW + DAY, latest_at=NOW + DAY, priority=0.0, anomaly_count=0)


PASTS: dict[str, Callable[[], object]] = {
    "nothing": lambda: None,
    "an anomaly that stands alone": lambda: earlier(45.0),
    "one too long ago": lambda: earlier(45.0, days=-15),
    "a judged one": lambda: judged(EARLIER),
    "an open case": lambda: earlier(70.0),
    "an open case with a stranger anomaly": lambda: earlier(99.0),
    "a case that begins later": lambda: earlier(70.0, days=20),
    "a claimed case": claimed,
    "a closed case": closed,
    "a case with nothing in it": empty_case,
    "the anomaly itself": left_behind,
    "the anomaly itself, judged": lambda: judged(FRESH),
}
FINDINGS: dict[str, Callable[[], Finding]] = {
    "an alert": lambda: found(reasons=[LARGE], features={"times": 18.25}, merchant_id="m'); drop table --"),
    "one below": lambda: found(40.0),
    "one of long ago": lambda: found(days=-8),
}


def state() -> dict[str, list[dict[str, Any]]]:
    """What stands in the tables, but for the ids and instants that each run makes anew."""
    owned = dict(Case.objects.values_list("id", "user_id"))
    anomalies = [
        {**row, "case_id": owned.get(row["case_id"]), "found_at": None, "txn_date": None}
        for row in Anomaly.objects.order_by("score", "pk").values()
    ]
    events = list(OutboxEvent.objects.order_by("at", "id").values("kind", "user_id", "score", "body"))
    for event in events:
        made = ("case_id", "txn_date")
        event["body"] = {name: value for name, value in event["body"].items() if name not in made}
    held = list(Case.objects.order_by("state", "priority").values())
    instants = ("id", "opened_at", "since", "latest_at", "closed_at", "lease_until", "closed_by_id", "assignee_id")
    told = [{name: value for name, value in case.items() if name not in instants} for case in held]
    return {"anomalies": anomalies, "cases": told, "events": events}


class TakenBack(Exception):
    """So that the same past can be had again."""


def outcome_of(past: Callable[[], object], write: Callable[[], Recorded]) -> tuple[Any, ...]:
    """What a write leaves and says, after this past; all of it is taken back."""
    outcome: tuple[Any, ...] = ()
    with suppress(TakenBack), transaction.atomic():
        past()
        recorded = write()
        case = Case.objects.filter(user_id=USER).exclude(state="closed").first()
        spans = case and (case.latest_at - case.since, case.anomaly_count)
        outcome = (state(), recorded.kept, recorded.dropped, len(recorded.opened), spans)
        raise TakenBack
    return outcome


@pytest.mark.django_db
@pytest.mark.parametrize("past", PASTS)
@pytest.mark.parametrize("news", FINDINGS)
def test_it_leaves_and_says_what_record_does(past: str, news: str) -> None:
    reference()
    made = FINDINGS[news]()
    before = PASTS[past]
    by_record = outcome_of(before, lambda: record([made], threshold=THRESHOLD))
    assert by_record[0]["anomalies"]
    fresh = outcome_of(before, lambda: record_fresh(made, threshold=THRESHOLD))
    for ours, theirs in zip(fresh, by_record, strict=True):
        assert ours == theirs


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("past", "news", "round_trips"),
    [
        ("nothing", "one below", 1),
        ("an anomaly that stands alone", "one below", 1),
        ("nothing", "an alert", 2),
        ("an open case", "one below", 1),
        ("a claimed case", "an alert", 1),
        ("a closed case", "one below", 1),
    ],
)
def test_it_takes_one_round_trip_and_another_for_a_case_that_opens(
    past: str, news: str, round_trips: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    PASTS[past]()
    made = FINDINGS[news]()
    with django_assert_num_queries(round_trips):
        record_fresh(made, threshold=THRESHOLD)
    assert Anomaly.objects.filter(pk=FRESH).exists()


@pytest.mark.django_db
def test_an_anomaly_is_told_before_its_case() -> None:
    recorded = record_fresh(found(), threshold=THRESHOLD)
    told = list(OutboxEvent.objects.order_by("at", "id").values_list("kind", "subject"))
    assert told == [("anomaly.created", FRESH), ("case.opened", recorded.opened[0])]


def in_thread(work: Callable[[], object], errors: list[BaseException]) -> threading.Thread:
    """Begun, with a connection and a database transaction of its own."""

    def run() -> None:
        try:
            with transaction.atomic():
                work()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize("closes_first", [True, False])
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_an_alert_that_meets_a_closing_analyst_opens_a_new_case(closes_first: bool) -> None:
    with transaction.atomic():
        earlier(80.0)
    old, analyst, errors = Case.objects.get(), AnalystFactory(), []
    made = found(90.0)
    with transaction.atomic():
        Case.objects.select_for_update().get(pk=old.pk)
        if closes_first:
            cases.close(old.pk, outcome="fraud", by=analyst)
        alert = in_thread(lambda: record_fresh(made, threshold=THRESHOLD), errors)
        alert.join(timeout=0.3)
        assert alert.is_alive()
        if not closes_first:
            cases.close(old.pk, outcome="fraud", by=analyst)
    alert.join()
    assert errors == []
    assert list(Case.objects.get(state="open").anomalies.values_list("pk", flat=True)) == [FRESH]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_writers_who_meet_at_one_user_make_one_case_and_lose_nothing() -> None:
    """Two live ones, and a run that records many at once."""
    reference()
    errors: list[BaseException] = []
    start = threading.Barrier(3)
    made = [[found(80.0, transaction_id=uuid4()) for _ in range(5)] for _ in range(3)]

    def live(some: list[Finding]) -> None:
        start.wait()
        record_fresh(some[0], threshold=THRESHOLD)

    def run() -> None:
        start.wait()
        record(made[2], threshold=THRESHOLD)

    threads = [in_thread(lambda some=some: live(some), errors) for some in made[:2]] + [in_thread(run, errors)]
    for thread in threads:
        thread.join()
    assert errors == []
    assert list(Case.objects.values_list("user_id", "anomaly_count")) == [(USER, 7)]
    assert not Anomaly.objects.filter(case=None).exists()
    assert OutboxEvent.objects.filter(kind="case.opened").count() == 1
