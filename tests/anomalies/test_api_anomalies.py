"""The lists of anomalies, cases and verdicts, and giving a verdict."""

import hashlib
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from anomalies.api.listing import Condition
from anomalies.api.listings import ANOMALIES, CASES
from anomalies.api.serializers import AnomalySerializer, CaseSerializer, VerdictSerializer
from anomalies.filters import SCORES_OF_LEVEL
from anomalies.findings import BUILT_IN_MODEL
from anomalies.models import Anomaly, Verdict
from scoring import blend
from tests.api import BASE, faults, post, problem, reader, results, writer
from tests.factories import (
    START,
    AnalystFactory,
    AnomalyFactory,
    CaseFactory,
    ReferenceFactory,
    TransactionFactory,
    VerdictFactory,
)

pytestmark = pytest.mark.django_db
REASON = {
    "code": "amount_over_median",
    "group": "own_amount",
    "contribution": 3.25,
    "observed": 900.0,
    "expected": 10.0,
    "values": {"amount": 900.0, "median": 10.0, "deviation": 2.0, "payments": 40.0, "ratio": 90.0, "times": 445.0},
}


@pytest.fixture
def client() -> Client:
    return reader()


def ids(rows: list[dict[str, Any]], name: str = "transaction_id") -> list[str]:
    return [row[name] for row in rows]


def test_an_anomaly_tells_its_score_and_reasons_in_words(client: Client) -> None:
    anomaly = AnomalyFactory(reasons=[REASON], features={"amount": 900.0}, transaction__amount=Decimal("900.00"))
    (listed,) = results(client, "anomalies/")
    assert listed.keys() == set(AnomalySerializer().fields)
    assert (listed["amount"], listed["merchant_id"], listed["score"], listed["level"]) == (
        "900.00",
        "m-17",
        65.0,
        "medium",
    )
    detail = client.get(f"{BASE}anomalies/{anomaly.pk}/").json()
    assert detail.pop("features") == {"amount": 900.0}
    assert detail == listed
    (reason,) = listed["reasons"]
    assert reason.pop("sentence").startswith("900.00 EUR is 90.0 times this user's median of 10.00")
    assert reason == REASON


def test_anomalies_come_newest_first_or_strangest_first(client: Client) -> None:
    for score, day in ((50.0, 1), (90.0, 2), (70.0, 3)):
        AnomalyFactory(score=score, transaction__txn_date=START + timedelta(days=day))
    assert [row["score"] for row in results(client, "anomalies/")] == [70.0, 90.0, 50.0]
    assert [row["score"] for row in results(client, "anomalies/", ordering="score")] == [90.0, 70.0, 50.0]
    assert faults(client.get(f"{BASE}anomalies/?ordering=amount")) == [("ordering", "invalid")]


def test_pages_ordered_by_score_survive_equal_scores(client: Client) -> None:
    made = [AnomalyFactory(score=score) for score in (60.1, 60.1, 60.1, 1 / 3 + 60, 99.0)]
    address, seen = f"{BASE}anomalies/?ordering=score&limit=2", []
    while address is not None:
        page = client.get(address).json()
        seen += ids(page["results"])
        address = page["next"]
    assert sorted(seen) == sorted(str(one.pk) for one in made)
    assert seen[0] == str(made[4].pk)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, "abc"),
        ({"min_score": "60"}, "bc"),
        ({"min_score": "60.5"}, "c"),
        ({"level": "low"}, "a"),
        ({"level": "medium"}, "b"),
        ({"level": "high"}, "c"),
        ({"currency": "USD"}, "b"),
        ({"from_date": "2024-06-02"}, "bc"),
        ({"to_date": "2024-06-02"}, "ab"),
        ({"merchant_id": "m-17"}, "abc"),
        ({"merchant_id": "m-18"}, ""),
    ],
)
def test_a_filter_of_anomalies_keeps_what_it_says(client: Client, parameters: dict[str, str], expected: str) -> None:
    day = timedelta(days=1)
    made = {
        "a": AnomalyFactory(score=59.99, transaction__txn_date=START),
        "b": AnomalyFactory(score=60.0, transaction__txn_date=START + day, transaction__currency="USD"),
        "c": AnomalyFactory(score=100.0, transaction__txn_date=START + 2 * day),
    }
    assert set(ids(results(client, "anomalies/", **parameters))) == {str(made[name].pk) for name in expected}


def test_anomalies_of_a_user_and_of_a_case(client: Client) -> None:
    case = CaseFactory()
    inside = AnomalyFactory(transaction__user_id=case.user_id, case=case)
    alone = AnomalyFactory()
    assert ids(results(client, "anomalies/", case=case.id)) == [str(inside.pk)]
    assert ids(results(client, "anomalies/", user_id=alone.user_id)) == [str(alone.pk)]


def test_the_levels_to_filter_by_are_those_of_scoring() -> None:
    assert {name: low for name, (low, _) in SCORES_OF_LEVEL.items()} == {name: low for low, name in blend.LEVELS}
    assert all(blend.level(low) == blend.level(high) == name for name, (low, high) in SCORES_OF_LEVEL.items())


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("anomalies/?min_score=101", [("min_score", "invalid")]),
        ("anomalies/?min_score=nan", [("min_score", "invalid")]),
        ("anomalies/?level=normal", [("level", "invalid")]),
        ("anomalies/?case=1", [("case", "invalid")]),
        ("anomalies/?status=failed", [("status", "unknown_parameter")]),
        ("cases/?state=lost", [("state", "invalid")]),
        ("cases/?currency=EUR", [("currency", "unknown_parameter")]),
        ("verdicts/?value=guilty", [("value", "invalid")]),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(client: Client, path: str, expected: list[tuple[str, str]]) -> None:
    assert faults(client.get(BASE + path)) == expected


@pytest.mark.parametrize("path", ["anomalies", "cases"])
def test_what_is_not_there_is_a_404(client: Client, path: str) -> None:
    problem(client.get(f"{BASE}{path}/{uuid4()}/"), 404)


def test_the_queue_shows_cases_that_are_not_closed_the_most_urgent_first(client: Client) -> None:
    for priority, state in ((50.0, "open"), (90.0, "claimed"), (99.0, "closed"), (70.0, "open")):
        CaseFactory(priority=priority, state=state)
    assert [row["priority"] for row in results(client, "cases/")] == [90.0, 70.0, 50.0]
    assert [row["priority"] for row in results(client, "cases/", state="open")] == [70.0, 50.0]
    assert [row["priority"] for row in results(client, "cases/", state="closed")] == [99.0]
    assert [row["priority"] for row in results(client, "cases/", state="all")] == [99.0, 90.0, 70.0, 50.0]


def test_cases_can_be_listed_newest_first_and_of_one_user(client: Client) -> None:
    now = timezone.now()
    old, new = (CaseFactory(opened_at=now - timedelta(days=days), priority=90 - days) for days in (2, 1))
    assert ids(results(client, "cases/", ordering="newest"), "id") == [str(new.id), str(old.id)]
    assert ids(results(client, "cases/", user_id=old.user_id), "id") == [str(old.id)]


def test_a_case_is_what_the_declared_serializer_says_and_has_its_anomalies(client: Client) -> None:
    ada = AnalystFactory(username="ada")
    case = CaseFactory(state="closed", assignee=ada, outcome="fraud", closed_at=timezone.now())
    early, late = (
        AnomalyFactory(transaction__user_id=case.user_id, transaction__txn_date=START + timedelta(days=day), case=case)
        for day in (1, 2)
    )
    detail = client.get(f"{BASE}cases/{case.id}/").json()
    assert ids(detail.pop("anomalies")) == [str(late.pk), str(early.pk)]
    assert detail.keys() == set(CaseSerializer().fields)
    assert (detail["assignee"], detail["outcome"], detail["state"]) == ("ada", "fraud", "closed")
    assert results(client, "cases/", state="closed") == [detail]


def test_an_open_case_has_no_outcome_yet(client: Client) -> None:
    CaseFactory()
    (listed,) = results(client, "cases/")
    assert (listed["outcome"], listed["assignee"], listed["closed_at"]) == (None, None, None)


# Anomalies of 200 users, and cases of which every other is closed. Left to chance, the planner's numbers are those of
# whatever test ran before.
CROWD = """
    INSERT INTO anomalies (transaction_id, user_id, amount, currency, txn_date, status, score, rarity, raw, reasons,
                           features, reference_id, model_version_id)
    SELECT gen_random_uuid(), md5(mod(n, 200)::text)::uuid, 1, 'EUR', %(start)s + n * interval '1 minute', 'completed',
           40 + mod(n, 61), 100, 1, '[]', '{}', %(reference)s, %(model)s
    FROM generate_series(0, 3999) AS n;
    INSERT INTO cases (id, user_id, state, priority, anomaly_count, since, latest_at, outcome)
    SELECT gen_random_uuid(), md5(n::text)::uuid, CASE WHEN mod(n, 2) = 0 THEN 'open' ELSE 'closed' END, mod(n, 101), 1,
           %(start)s, %(start)s, ''
    FROM generate_series(0, 3999) AS n;
    ANALYZE anomalies;
    ANALYZE cases
"""
SOMEBODY = UUID(hashlib.md5(b"7", usedforsecurity=False).hexdigest())


def make_crowd() -> None:
    with connection.cursor() as cursor:
        cursor.execute(CROWD, {"start": START, "reference": ReferenceFactory().pk, "model": BUILT_IN_MODEL})


@pytest.mark.parametrize(
    ("listing", "conditions", "ordering", "index"),
    [
        (ANOMALIES, [], "newest", "ix_anomaly_recent"),
        (ANOMALIES, [], "score", "ix_anomaly_score"),
        (ANOMALIES, [Condition("user_id", "exact", SOMEBODY)], "newest", "ix_anomaly_user_date"),
        (CASES, [Condition("state", "in", ["open", "claimed"])], "priority", "ix_case_queue"),
        (CASES, [Condition("state", "in", ["open"])], "priority", "ix_case_queue"),
    ],
)
def test_every_ordering_is_served_by_an_index(
    listing: Any, conditions: list[Condition], ordering: str, index: str
) -> None:
    make_crowd()
    statement, bound = listing.where(*conditions).statement(listing.orderings[ordering], None, 100)
    with connection.cursor() as cursor:
        # Tables this small are read faster as a whole.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute(f"EXPLAIN {statement}", bound)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert index in plan
    assert "Sort" not in plan


def test_lists_cost_one_query_however_long(client: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    case = CaseFactory()
    VerdictFactory()
    for _ in range(4):
        AnomalyFactory(transaction__user_id=case.user_id, case=case, reasons=[REASON])
    # From then on the key is known, and asked for with the page.
    assert client.get(BASE + "cases/").status_code == 200
    for path in ("anomalies/?limit=1", "anomalies/", "cases/", "verdicts/"):
        with django_assert_num_queries(1):
            assert client.get(BASE + path).status_code == 200
    with django_assert_num_queries(3):
        assert len(client.get(f"{BASE}cases/{case.id}/").json()["anomalies"]) == 4


def test_a_verdict_is_given_on_any_stored_transaction_and_listed() -> None:
    client, row = writer(), TransactionFactory()
    response = post(client, "verdicts/", {"transaction_id": str(row.id), "value": "fraud", "note": " chargeback "})
    assert response.status_code == 201
    verdict = response.json()
    assert verdict.keys() == set(VerdictSerializer().fields)
    assert (verdict["user_id"], verdict["value"], verdict["note"], verdict["source"]) == (
        str(row.user_id),
        "fraud",
        "chargeback",
        "api",
    )
    assert verdict["author"] == Verdict.objects.get().author.username
    assert results(client, "verdicts/", transaction_id=row.id, value="fraud", user_id=row.user_id) == [verdict]


def test_verdicts_are_listed_latest_first(client: Client) -> None:
    now = timezone.now()
    old, new = (VerdictFactory(known_at=now - timedelta(days=days)) for days in (2, 1))
    assert ids(results(client, "verdicts/"), "id") == [str(new.id), str(old.id)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"value": "guilty"}, [("/value", "invalid_choice")]),
        ({"value": None}, [("/value", "null")]),
        ({"transaction_id": "x"}, [("/transaction_id", "invalid")]),
        ({"transaction_id": str(UUID(int=5))}, [("/transaction_id", "not_found")]),
        ({"note": "a\0b"}, [("", "nul_character")]),
        ({"note": "n" * 2_001}, [("/note", "max_length")]),
        ({"source": ""}, [("/source", "blank")]),
        ({"source": "s" * 33}, [("/source", "max_length")]),
        ({"known_at": "2024-06-01T12:00:00"}, [("/known_at", "not_a_time")]),
        ({"known_at": 5}, [("/known_at", "not_a_time")]),
        ({"known_at": "2999-06-01T12:00:00Z"}, [("/known_at", "in_the_future")]),
        ({"source": "a\x8eb"}, [("/source", "not_printable")]),
        ({"source": "a\u202eb"}, [("/source", "not_printable")]),
        ({"verdict": "fraud", "a/b": 1}, [("/a~1b", "unknown_field"), ("/verdict", "unknown_field")]),
    ],
)
def test_a_verdict_that_cannot_be_taken_is_refused(changes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    row = TransactionFactory()
    response = post(writer(), "verdicts/", {"transaction_id": str(row.id), "value": "fraud", **changes})
    assert faults(response) == expected
    assert not Verdict.objects.exists()


def test_a_key_that_may_only_read_gives_no_verdict(client: Client) -> None:
    row = TransactionFactory()
    problem(post(client, "verdicts/", {"transaction_id": str(row.id), "value": "fraud"}), 403)


def test_an_anomaly_without_a_merchant_or_case_says_null(client: Client) -> None:
    AnomalyFactory(transaction__meta_data={})
    (listed,) = results(client, "anomalies/")
    assert (listed["merchant_id"], listed["case_id"]) == (None, None)
    assert Anomaly.objects.count() == 1
