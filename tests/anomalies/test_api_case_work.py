"""Working on cases over HTTP."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from anomalies.models import AuditEntry, Case
from tests.api import faults, post, problem, reader, writer
from tests.factories import AnalystFactory, CaseFactory

pytestmark = pytest.mark.django_db


def act(client, case, name, body=None):
    return post(client, f"cases/{case.pk}/{name}/", body or {})


def test_next_hands_out_the_most_urgent_case_and_nothing_after_the_last():
    CaseFactory(priority=50.0)
    urgent = CaseFactory(priority=90.0)
    client = writer()
    found = post(client, "cases/next/", {}).json()
    urgent.refresh_from_db()
    assert (found["id"], found["state"], found["assignee"]) == (str(urgent.pk), "claimed", urgent.assignee.username)
    assert post(client, "cases/next/", {}).status_code == 200
    last = post(client, "cases/next/", {})
    assert (last.status_code, last.content) == (204, b"")


def test_a_case_is_claimed_renewed_and_released():
    client, case = writer(), CaseFactory()
    for _ in range(2):
        assert act(client, case, "claim").json()["state"] == "claimed"
    assert act(client, case, "release").json() == {
        **act(client, case, "claim").json(),
        "state": "open",
        "assignee": None,
    }
    actions = AuditEntry.objects.order_by("position").values_list("action", flat=True)
    assert [name for name in actions if name.startswith("case.")] == ["case.claimed", "case.released", "case.claimed"]


def test_a_case_is_closed_once_with_an_outcome():
    client, case = writer(), CaseFactory()
    assert act(client, case, "close", {"outcome": "expected"}).json()["outcome"] == "expected"
    told = problem(act(client, case, "close", {"outcome": "fraud"}), 409)
    assert "closed as expected" in told["detail"]
    assert Case.objects.get().outcome == "expected"


def test_what_another_works_on_is_a_conflict():
    ben = AnalystFactory(username="ben")
    case = CaseFactory(state="claimed", assignee=ben, lease_until=timezone.now() + timedelta(minutes=5))
    for name, body in (("claim", {}), ("release", {}), ("close", {"outcome": "fraud"})):
        problem(act(writer(), case, name, body), 409)
    case.refresh_from_db()
    assert (case.state, case.assignee) == ("claimed", ben)


def test_wrong_wishes_are_refused():
    client, case = writer(), CaseFactory()
    problem(act(client, CaseFactory.build(pk=uuid4()), "claim"), 404)
    for body in ({}, {"outcome": "guilty"}, {"outcome": "fraud", "note": "x"}):
        assert faults(act(client, case, "close", body))
    case.refresh_from_db()
    assert case.state == "open"


def test_a_key_that_only_reads_works_on_no_case():
    case = CaseFactory()
    for path in ("cases/next/", f"cases/{case.pk}/claim/", f"cases/{case.pk}/close/"):
        problem(post(reader(), path, {"outcome": "fraud"}), 403)
    case.refresh_from_db()
    assert case.state == "open"
