"""One change to many cases: exactly those that were confirmed, and of them those that nobody else works on."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.utils import timezone

from anomalies import bulk
from anomalies.bulk import BulkError
from anomalies.desk import BulkChange
from anomalies.models import AuditEntry, Case, Verdict
from anomalies.verdicts import VerdictError
from tests.anomalies import many
from tests.factories import AnalystFactory, AnomalyFactory, CaseFactory, VerdictFactory

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def with_rights(name: str, *codenames: str):
    user = AnalystFactory(username=name)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_case", "review_case", *codenames]))
    return user


@pytest.fixture
def ana():
    return with_rights("ana")


@pytest.fixture
def lea():
    return with_rights("lea", "reassign_case")


def all_of_it(change: BulkChange, by, note: str = "") -> BulkChange:
    while not change.is_done:
        change = bulk.step(change.pk, by=by, note=note)
    return change


def changed(by, action: str = "verdict", value: str = "fraud", **more) -> dict[str, int]:
    change = bulk.wish(Case.objects.all(), action=action, by=by, value=value, **more)
    return {name: times for name, times in all_of_it(change, by).tally.items() if times}


def test_two_thousand_cases_are_judged_and_closed(ana):
    many.cases(2_000, anomalies=2)
    change = bulk.wish(Case.objects.all(), action="verdict", by=ana, value="fraud")
    done = all_of_it(change, ana, "  Card testing.  ")
    assert done.tally == {"done": 2_000, "verdicts": 4_000}
    assert set(Case.objects.values_list("state", "outcome", "closed_by")) == {("closed", "fraud", ana.pk)}
    assert set(Verdict.objects.values_list("value", "author", "note")) == {("fraud", ana.pk, "Card testing.")}
    assert Verdict.objects.values("transaction").distinct().count() == 4_000
    told = Counter(AuditEntry.objects.values_list("action", flat=True))
    assert told == {"verdict.given": 4_000, "case.closed": 2_000}


def test_a_thousand_cases_take_the_statements_of_ten(ana, django_assert_max_num_queries):
    many.cases(1_000, anomalies=1)
    change = bulk.wish(Case.objects.all(), action="verdict", by=ana, value="fraud")
    # By far fewer than cases. The audit log and the savepoints count too.
    with django_assert_max_num_queries(22):
        bulk.step(change.pk, by=ana)


def test_what_came_after_the_wish_is_left_alone(ana):
    (first,) = many.cases(1)
    change = bulk.wish(Case.objects.all(), action="close", by=ana, value="unsure")
    (later,) = many.cases(1)
    all_of_it(change, ana)
    assert set(Case.objects.values_list("pk", "state")) == {(first, "closed"), (later, "open")}


def test_cases_of_others_are_left_out_and_told(ana):
    ben = AnalystFactory()
    many.cases(3, anomalies=1)
    theirs, mine, abandoned, *_rest = (CaseFactory(state="claimed", assignee=who) for who in (ben, ana, ben))
    Case.objects.filter(pk__in=[theirs.pk, mine.pk]).update(lease_until=timezone.now() + HOUR)
    Case.objects.filter(pk=abandoned.pk).update(lease_until=timezone.now() - HOUR)
    CaseFactory(state="claimed", assignee=ben, lease_until=None)
    assert changed(ana, "close", "legitimate") == {"done": 5, "held": 2}
    theirs.refresh_from_db()
    assert (theirs.state, theirs.assignee) == ("claimed", ben)


def test_cases_closed_meanwhile_are_left_out_and_told(ana):
    one, _two = many.cases(2, anomalies=1)
    change = bulk.wish(Case.objects.all(), action="verdict", by=ana, value="fraud")
    Case.objects.filter(pk=one).update(state="closed", outcome="expected")
    assert bulk.outlook(change) == bulk.Outlook(ready=1, held=0, closed=1, anomalies=1)
    assert all_of_it(change, ana).tally == {"closed": 1, "done": 1, "verdicts": 1}
    assert Case.objects.get(pk=one).outcome == "expected"


def test_cases_that_are_gone_are_told(ana):
    one, _two = many.cases(2)
    change = bulk.wish(Case.objects.all(), action="close", by=ana, value="fraud")
    Case.objects.filter(pk=one).delete()
    assert all_of_it(change, ana).tally == {"gone": 1, "done": 1}


def test_a_verdict_goes_to_what_has_none_that_stands(ana):
    case = CaseFactory()
    judged, withdrawn, fresh = AnomalyFactory.create_batch(3, case=case, user_id=case.user_id)
    VerdictFactory(transaction=judged.transaction, value="expected")
    VerdictFactory(transaction=withdrawn.transaction, value="expected", known_at=timezone.now() - HOUR)
    VerdictFactory(transaction=withdrawn.transaction, value=Verdict.WITHDRAWN)
    assert changed(ana) == {"done": 1, "verdicts": 2}
    assert set(Verdict.objects.filter(author=ana).values_list("transaction", flat=True)) == {withdrawn.pk, fresh.pk}


def test_a_case_with_nothing_left_to_judge_is_told_and_stays(ana):
    case = CaseFactory()
    VerdictFactory(transaction=AnomalyFactory(case=case, user_id=case.user_id).transaction)
    assert changed(ana) == {"judged": 1}
    case.refresh_from_db()
    assert case.state == "open"


def test_verdict_and_closing_are_of_one_instant(ana):
    """By it a verdict is undone."""
    many.cases(1, anomalies=1)
    changed(ana)
    assert Verdict.objects.get().known_at == Case.objects.get().closed_at


def test_give_take_and_release(ana, lea):
    many.cases(2)
    assert changed(lea, "assign", "", assignee=ana) == {"done": 2}
    assert set(Case.objects.values_list("state", "assignee")) == {("claimed", ana.pk)}
    assert changed(lea, "release", "") == {"held": 2}
    assert changed(ana, "assign", "", assignee=ana) == {"same": 2}
    assert changed(ana, "release", "") == {"done": 2}
    assert set(Case.objects.values_list("state", "assignee", "lease_until")) == {("open", None, None)}
    assert changed(ana, "release", "") == {"same": 2}
    told = Counter(AuditEntry.objects.values_list("action", flat=True))
    assert told == {"case.assigned": 2, "case.released": 2}
    assert AuditEntry.objects.filter(action="case.assigned").first().after == {"state": "claimed", "assignee": "ana"}


def test_only_who_may_reassign_gives_to_others(ana, lea):
    many.cases(1)
    with pytest.raises(PermissionDenied):
        bulk.wish(Case.objects.all(), action="assign", by=ana, assignee=lea)
    nobody = AnalystFactory()
    with pytest.raises(PermissionDenied):
        bulk.wish(Case.objects.all(), action="close", value="fraud", by=nobody)
    with pytest.raises(BulkError, match="an analyst who may review"):
        bulk.wish(Case.objects.all(), action="assign", by=lea, assignee=nobody)


def test_rights_are_asked_for_again_when_it_is_done(ana):
    many.cases(1)
    change = bulk.wish(Case.objects.all(), action="close", by=ana, value="fraud")
    ana.user_permissions.clear()
    with pytest.raises(PermissionDenied):
        bulk.step(change.pk, by=type(ana).objects.get(pk=ana.pk))
    assert Case.objects.get().state == "open"


def test_nobody_does_what_another_wished_for(ana, lea):
    many.cases(1)
    change = bulk.wish(Case.objects.all(), action="close", by=ana, value="fraud")
    with pytest.raises(BulkChange.DoesNotExist):
        bulk.step(change.pk, by=lea)


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"action": "verdict", "value": "guilty"}, "Choose one of fraud"),
        ({"action": "close", "value": ""}, "Choose one of fraud"),
        ({"action": "burn"}, "Choose what to do"),
    ],
)
def test_what_makes_no_sense_is_refused(ana, wish, sentence):
    many.cases(1)
    with pytest.raises(BulkError, match=sentence):
        bulk.wish(Case.objects.all(), by=ana, **wish)
    assert not BulkChange.objects.exists()


def test_nothing_to_change_is_said(ana):
    CaseFactory(state="closed")
    with pytest.raises(BulkError, match="There is no case to change"):
        bulk.wish(Case.objects.all(), action="release", by=ana)


def test_too_many_at_once_are_refused(ana, monkeypatch):
    monkeypatch.setattr(bulk, "MOST", 2)
    many.cases(3)
    with pytest.raises(BulkError, match="More than 2 cases"):
        bulk.wish(Case.objects.all(), action="release", by=ana)


def test_a_note_too_long_changes_nothing(ana):
    many.cases(1, anomalies=1)
    change = bulk.wish(Case.objects.all(), action="verdict", by=ana, value="fraud")
    with pytest.raises(VerdictError, match="at most 2,000"):
        bulk.step(change.pk, by=ana, note="x" * 2_001)
    change.refresh_from_db()
    assert (change.position, Verdict.objects.count(), Case.objects.get().state) == (0, 0, "open")


def test_a_finished_change_is_not_done_again(ana):
    many.cases(1)
    change = all_of_it(bulk.wish(Case.objects.all(), action="close", by=ana, value="fraud"), ana)
    Case.objects.update(state="open")
    assert bulk.step(change.pk, by=ana).tally == {"done": 1}
    assert Case.objects.get().state == "open"


def test_forgotten_wishes_are_swept_out(ana):
    many.cases(1)
    old = bulk.wish(Case.objects.all(), action="release", by=ana)
    BulkChange.objects.update(created_at=timezone.now() - 2 * timedelta(days=1))
    new = bulk.wish(Case.objects.all(), action="release", by=ana)
    assert old.pk != new.pk
    assert BulkChange.objects.get() == new


@pytest.mark.django_db(transaction=True)
def test_a_case_that_another_transaction_holds_is_left_out_without_waiting(monkeypatch):
    ana = with_rights("ana")
    one, _two = many.cases(2)
    change = bulk.wish(Case.objects.all(), action="close", by=ana, value="fraud")
    tally: dict[str, int] = {}

    def work() -> None:
        tally.update(bulk.step(change.pk, by=ana).tally)
        connection.close()

    with transaction.atomic():
        Case.objects.select_for_update().get(pk=one)
        other = threading.Thread(target=work)
        other.start()
        other.join(120)
        assert not other.is_alive()
    assert tally == {"busy": 1, "done": 1}
    assert Case.objects.get(pk=one).state == "open"


@pytest.mark.django_db(transaction=True)
def test_two_analysts_at_once_judge_each_case_once(monkeypatch):
    monkeypatch.setattr(bulk, "CHUNK", 50)
    both = [with_rights("ana"), with_rights("ben")]
    many.cases(600, anomalies=1)
    changes = [bulk.wish(Case.objects.all(), action="verdict", by=who, value="fraud") for who in both]
    start, tallies = threading.Barrier(2), []

    def work(change: BulkChange, who) -> None:
        start.wait()
        tallies.append(all_of_it(change, who).tally)
        connection.close()

    threads = [threading.Thread(target=work, args=pair) for pair in zip(changes, both, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [sum(tally.get(name, 0) for tally in tallies) for name in ("done", "verdicts")] == [600, 600]
    assert all(tally.get("done", 0) + tally.get("closed", 0) + tally.get("busy", 0) == 600 for tally in tallies)
    assert Verdict.objects.count() == Verdict.objects.values("transaction").distinct().count() == 600
    assert Case.objects.filter(state="closed").count() == 600
