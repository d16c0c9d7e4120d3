"""Cases go from hand to hand: never to two, never lost, and a verdict can be taken back for a while."""

import os
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.utils import timezone

from anomalies import cases, handing, verdicts
from anomalies.cases import CaseError
from anomalies.models import AuditEntry, Case, CaseSkip, Verdict
from tests.factories import START, AnalystFactory, AnomalyFactory, CaseFactory, VerdictFactory

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
ROOT = Path(__file__).resolve().parent.parent.parent
CLAIMERS = int(os.environ.get("CLAIMERS", "8"))
CASES = int(os.environ.get("CLAIMED_CASES", "500"))


@pytest.fixture
def ana():
    return AnalystFactory(username="ana")


@pytest.fixture
def ben():
    return AnalystFactory(username="ben")


def reviewer(**more):
    user = AnalystFactory(**more)
    user.user_permissions.add(Permission.objects.get(codename="review_case"))
    return user


def held(case: Case) -> tuple[str, str | None]:
    case.refresh_from_db()
    return case.state, case.assignee.username if case.assignee else None


def entries(case: Case) -> list[tuple[str, str]]:
    return list(AuditEntry.objects.filter(case_id=case.pk).order_by("position").values_list("action", "actor"))


class TestNext:
    def test_the_most_urgent_comes_first_and_nothing_after_the_last(self, ana):
        low, high = CaseFactory(priority=50.0), CaseFactory(priority=90.0)
        assert [handing.next_case(ana) for _ in range(3)] == [high.pk, low.pk, None]
        assert held(high) == ("claimed", "ana")
        assert timedelta(minutes=29) < high.lease_until - timezone.now() <= cases.LEASE
        assert entries(high) == [("case.claimed", "ana")]

    def test_a_case_that_somebody_works_on_or_has_closed_is_passed_over(self, ana, ben):
        CaseFactory(state="claimed", assignee=ben, lease_until=timezone.now() + MINUTE)
        CaseFactory(state="closed", outcome="fraud")
        assert handing.next_case(ana) is None

    def test_a_lease_that_ran_out_is_handed_to_another_and_the_log_says_whose_it_was(self, ana, ben):
        case = CaseFactory(state="claimed", assignee=ben, lease_until=timezone.now() - MINUTE)
        assert handing.next_case(ana) == case.pk
        entry = AuditEntry.objects.get(case_id=case.pk)
        assert (entry.before, entry.after["assignee"]) == ({"state": "claimed", "assignee": "ben"}, "ana")

    def test_a_long_queue_is_read_by_its_index_and_not_sorted(self, ana):
        CaseFactory.create_batch(30)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("EXPLAIN " + handing.NEXT, {"analyst": ana.pk, "lease": cases.LEASE})
            plan = "\n".join(line for (line,) in cursor.fetchall())
        assert "Index Scan using ix_case_queue" in plan
        assert "Sort" not in plan


class TestLease:
    def test_it_is_renewed_while_it_is_mine_even_when_it_ran_out(self, ana):
        case = CaseFactory(state="claimed", assignee=ana, lease_until=timezone.now() - MINUTE)
        handing.renew(case.pk, by=ana)
        case.refresh_from_db()
        assert case.lease_until > timezone.now() + 29 * MINUTE
        assert entries(case) == []

    def test_a_longer_one_is_not_cut(self, ana):
        until = timezone.now() + timedelta(hours=20)
        case = CaseFactory(state="claimed", assignee=ana, lease_until=until)
        handing.renew(case.pk, by=ana)
        case.refresh_from_db()
        assert case.lease_until == until

    def test_what_another_took_is_lost_and_so_is_what_is_back_in_the_queue_or_closed(self, ana, ben):
        later = timezone.now() + MINUTE
        for state, sentence in (
            ({"state": "claimed", "assignee": ben, "lease_until": later}, "ben is working on this case"),
            ({"state": "open"}, "back in the queue"),
            ({"state": "closed", "outcome": "fraud", "closed_by": ben}, "closed as fraud by ben"),
        ):
            with pytest.raises(CaseError, match=sentence):
                handing.renew(CaseFactory(**state).pk, by=ana)


class TestSkip:
    def test_a_skipped_case_is_handed_to_others_and_to_the_same_one_only_later(self, ana, ben):
        case = CaseFactory()
        assert handing.next_case(ana) == case.pk
        handing.skip(case.pk, by=ana)
        assert held(case) == ("open", None)
        assert handing.next_case(ana) is None
        CaseSkip.objects.update(until=timezone.now() - MINUTE)
        assert handing.next_case(ana) == case.pk
        handing.skip(case.pk, by=ana)
        assert handing.next_case(ben) == case.pk
        assert CaseSkip.objects.count() == 1
        assert [action for action, _ in entries(case)] == [
            "case.claimed", "case.skipped", "case.claimed", "case.skipped", "case.claimed",
        ]  # fmt: skip

    def test_another_ones_case_is_not_skipped(self, ana, ben):
        case = CaseFactory(state="claimed", assignee=ben, lease_until=timezone.now() + MINUTE)
        with pytest.raises(CaseError, match="ben is working"):
            handing.skip(case.pk, by=ana)


class TestAssignAndReopen:
    def test_a_case_is_given_to_another_for_a_day_whoever_holds_it(self, ana):
        case = CaseFactory(state="claimed", assignee=ana, lease_until=timezone.now() + MINUTE)
        handing.assign(case.pk, to=reviewer(username="cy"), by=AnalystFactory(username="lea"))
        assert held(case) == ("claimed", "cy")
        assert case.lease_until > timezone.now() + timedelta(hours=23)
        assert entries(case) == [("case.assigned", "lea")]

    def test_it_is_given_only_to_who_may_review_and_only_while_it_is_not_closed(self, ana):
        with pytest.raises(CaseError, match="ana may not review"):
            handing.assign(CaseFactory().pk, to=ana, by=ana)
        with pytest.raises(CaseError, match="may not review"):
            handing.assign(CaseFactory().pk, to=reviewer(is_active=False), by=ana)
        with pytest.raises(CaseError, match="closed: reopen"):
            handing.assign(CaseFactory(state="closed", outcome="fraud").pk, to=reviewer(), by=ana)

    def test_a_closed_case_goes_back_into_the_queue_with_its_verdicts(self, ana):
        case = CaseFactory()
        AnomalyFactory(user_id=case.user_id, case=case)
        cases.judge(case.pk, value="fraud", by=ana)
        handing.reopen(case.pk, by=ana)
        assert held(case) == ("open", None)
        assert (case.outcome, case.closed_at, case.closed_by) == ("", None, None)
        assert Verdict.objects.get().value == "fraud"
        with pytest.raises(CaseError, match="is not closed"):
            handing.reopen(case.pk, by=ana)

    def test_it_is_not_reopened_beside_a_newer_one_of_the_same_user(self, ana):
        case = CaseFactory(state="closed", outcome="fraud", closed_at=timezone.now(), closed_by=ana)
        CaseFactory(user_id=case.user_id)
        for again in (handing.reopen, handing.undo):
            with pytest.raises(CaseError, match="A newer case of this user is not closed"):
                again(case.pk, by=ana)
        assert held(case) == ("closed", None)


class TestUndo:
    def test_the_verdicts_are_withdrawn_and_the_case_is_the_same_analysts_again(self, ana):
        case = CaseFactory()
        first, second, judged = (AnomalyFactory(user_id=case.user_id, case=case) for _ in range(3))
        VerdictFactory(transaction=judged.transaction, value="legitimate", author=ana, known_at=START)
        cases.judge(case.pk, value="fraud", by=ana)
        assert handing.undo(case.pk, by=ana) == 2
        assert held(case) == ("claimed", "ana")
        assert set(verdicts.unjudged(case)) == {first.pk, second.pk}
        assert list(Verdict.objects.filter(transaction=first.pk).values_list("value", flat=True)) == [
            "withdrawn",
            "fraud",
        ]
        entry = AuditEntry.objects.filter(case_id=case.pk).latest("position")
        assert (entry.action, entry.after["withdrawn verdicts"]) == ("verdict.undone", 2)

    def test_after_it_the_case_can_be_judged_anew(self, ana):
        case = CaseFactory()
        one = AnomalyFactory(user_id=case.user_id, case=case)
        cases.judge(case.pk, value="fraud", by=ana)
        handing.undo(case.pk, by=ana)
        cases.judge(case.pk, value="expected", by=ana)
        assert verdicts.unjudged(case) == []
        assert Verdict.objects.filter(transaction=one.pk).first().value == "expected"
        assert handing.undo(case.pk, by=ana) == 1

    def test_closing_without_a_verdict_can_be_taken_back_too(self, ana):
        case = CaseFactory()
        cases.close(case.pk, outcome="unsure", by=ana)
        assert handing.undo(case.pk, by=ana) == 0
        assert held(case) == ("claimed", "ana")

    def test_only_the_same_analyst_and_only_for_a_while(self, ana, ben):
        case = CaseFactory()
        AnomalyFactory(user_id=case.user_id, case=case)
        cases.judge(case.pk, value="fraud", by=ana)
        assert handing.undoable(case.pk, by=ana) == case
        assert handing.undoable(case.pk, by=ben) is None
        with pytest.raises(CaseError, match="of your own of the last 10 seconds"):
            handing.undo(case.pk, by=ben)
        Case.objects.update(closed_at=timezone.now() - handing.UNDO_TAKEN)
        with pytest.raises(CaseError, match="of your own of the last 10 seconds"):
            handing.undo(case.pk, by=ana)
        assert not Verdict.objects.filter(value="withdrawn").exists()

    def test_nobody_gives_the_verdict_withdrawn(self, ana):
        with pytest.raises(verdicts.VerdictError, match="is no verdict"):
            verdicts.give(transaction_id=uuid4(), user_id=uuid4(), value="withdrawn", author=ana)


def start(*names: str) -> "subprocess.Popen[str]":
    """A process with these analysts, each with a thread and a connection of its own."""
    variables = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.browser.settings",
        "BROWSER_DATABASE": connection.settings_dict["NAME"],
        "LOG_LEVEL": "ERROR",
        "WEB_THREADS": str(len(names)),
    }
    command = [sys.executable, "-m", "tests.anomalies.claimer", *names]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=variables, **pipes)


@pytest.mark.django_db(transaction=True)
def test_eight_analysts_at_once_never_get_the_same_case_and_none_is_lost_when_one_is_killed():
    Case.objects.bulk_create(
        Case(user_id=uuid4(), priority=number % 100, since=START, latest_at=START) for number in range(CASES)
    )
    names = [AnalystFactory(username=f"claimer-{number}").username for number in range(CLAIMERS)]
    doomed, others = claimers = start(names[0]), start(*names[1:])
    assert [one.stdout.readline() for one in claimers] == ["ready\n", "ready\n"]
    for one in claimers:
        one.stdin.write("\n")
        one.stdin.flush()
    taken = [doomed.stdout.readline() for _ in range(5)]
    doomed.kill()
    for one in claimers:
        taken += one.communicate(timeout=300)[0].splitlines(keepends=True)
    assert [one.returncode for one in claimers] == [-9, 0]

    ids = [line for line in taken if line.endswith("\n")]
    assert len(ids) == len(set(ids))
    # The killed one may have died between taking a case and saying so.
    assert len(ids) in (CASES - 1, CASES)
    by_analyst = Counter(Case.objects.filter(state="claimed").values_list("assignee__username", flat=True))
    assert sum(by_analyst.values()) == CASES
    assert set(by_analyst) == set(names)
    # What it held comes back with its leases, the case that it died on too.
    Case.objects.filter(assignee__username=names[0]).update(lease_until=timezone.now() - MINUTE)
    ana = AnalystFactory(username="ana")
    assert len(list(iter(lambda: handing.next_case(ana), None))) == by_analyst[names[0]] >= 5
