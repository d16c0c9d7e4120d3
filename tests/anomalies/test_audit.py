"""The audit log holds what was done, and shows where somebody put his hand to it."""

import json
import threading
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.db.models import F
from django.db.utils import IntegrityError

from anomalies import audit, audit_check, cases, verdicts
from anomalies.models import AuditEntry
from tests.factories import AnalystFactory, AnomalyFactory, CaseFactory, VerdictFactory

LIST = "/admin/anomalies/auditentry/"
HOSTILE = "<script>alert(1)</script>\"'<img src=x onerror=alert(1)>"


@pytest.fixture
def log(db) -> list[AuditEntry]:
    """Ten entries of one analyst."""
    ana = AnalystFactory(username="ana")
    audit.write_many([audit.Entry("case.claimed", subject=str(n), after={"n": n}) for n in range(10)], by=ana)
    return list(AuditEntry.objects.order_by("position"))


def verified(*arguments: str) -> str:
    out = StringIO()
    call_command("audit", "verify", *arguments, stdout=out)
    return out.getvalue()


def broken(*arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        verified(*arguments)
    assert caught.value.returncode == 1
    return str(caught.value)


def end() -> str:
    return str(audit_check.check().head)


@pytest.mark.django_db
def test_a_log_that_nobody_touched_holds_together_across_pieces(monkeypatch):
    monkeypatch.setattr(audit_check, "PIECE", 4)
    assert "0 entries hold together" in verified()
    for size in (1, 3, 8):
        audit.write_many([audit.Entry("x.y")] * size, by=None)
    assert "12 entries hold together" in verified()
    assert json.loads(verified("--json", "--expect", end()))["broken"] is None


@pytest.mark.django_db
def test_everything_that_can_be_told_comes_back_as_it_was_hashed():
    state = {
        "number": 1e3,
        "money": Decimal("1.20"),
        "id": uuid.UUID(int=7),
        "at": datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
        "whole": 10**30,
        "list": [None, True, -0.0, {"z": "ü\0\ud800\u2028", "a": ""}],
    }
    audit.write("x.y", by=None, subject="\0" * 500, note="ü" * 3_000, before=state, after={}, user_id=uuid.uuid4())
    assert "1 entries hold together" in verified()
    entry = AuditEntry.objects.get()
    assert (len(entry.subject), len(entry.note), entry.before["money"]) == (300, 2_000, "1.20")


@pytest.mark.parametrize(
    "change",
    [
        {"note": "innocent"},
        {"actor": "ben"},
        {"actor_id": None},
        {"action": "case.released"},
        {"subject": ""},
        {"after": {"n": 5}},
        {"before": {}},
        {"case_id": uuid.UUID(int=1)},
        {"user_id": uuid.UUID(int=1)},
        {"address": "10.0.0.1"},
        {"at": datetime(2020, 1, 1, tzinfo=UTC)},
    ],
)
def test_an_altered_entry_is_named(log, change):
    AuditEntry.objects.filter(position=4).update(**change)
    found = broken()
    assert found.startswith("Entry 4 (")
    assert "its content is not what was written" in found


def test_an_altered_entry_with_a_new_hash_breaks_the_link_after_it(log):
    log[3].note = "innocent"
    log[3].hash = audit.digest(log[3])
    log[3].save()
    found = broken()
    assert found.startswith("Entry 5 (")
    assert "does not follow on the entry before it" in found


def test_a_removed_entry_is_named(log):
    AuditEntry.objects.filter(position=4).delete()
    assert broken().startswith("Entry 4: it is missing")


def test_several_removed_entries_are_named_and_the_first_ones_too(log):
    AuditEntry.objects.filter(position__lte=3).delete()
    assert broken().startswith("Entry 1: it and all up to 3 are missing")


def test_swapped_entries_are_named(log):
    AuditEntry.objects.filter(position=4).update(position=99)
    AuditEntry.objects.filter(position=7).update(position=4)
    AuditEntry.objects.filter(position=99).update(position=7)
    assert broken().startswith("Entry 4 (")


def test_numbers_moved_up_to_hide_a_gap_are_seen(log):
    AuditEntry.objects.filter(position=4).delete()
    for position in range(5, 11):
        AuditEntry.objects.filter(position=position).update(position=F("position") - 1)
    assert broken().startswith("Entry 4 (")


def test_an_end_that_is_cut_off_is_seen_by_whoever_noted_it(log):
    noted = end()
    assert noted.startswith("10:")
    AuditEntry.objects.filter(position__gt=8).delete()
    assert "8 entries hold together" in verified()
    assert broken("--expect", noted) == (
        "Entry 9: the end of the log is cut off: entry 10 was noted. All entries before it hold together."
    )


def test_an_end_that_was_noted_holds_while_the_log_grows(log):
    noted = end()
    audit.write("x.y", by=None)
    assert "11 entries hold together" in verified("--expect", noted)


def test_a_log_written_anew_is_seen_by_whoever_noted_its_end(log):
    noted, previous = end(), ""
    for entry in log:
        entry.actor, entry.previous_hash = "ben", previous
        entry.hash = previous = audit.digest(entry)
        entry.save()
    assert "10 entries hold together" in verified()
    assert "the log was written anew up to here" in broken("--expect", noted)


def test_what_an_intruder_typed_does_not_steer_the_terminal(db):
    audit.write("account.login_failed", by=None, subject="\x1b[2Jana")
    out = StringIO()
    call_command("audit", "tail", "--lines", "5", stdout=out)
    assert "account.login_failed  \ufffd[2Jana" in out.getvalue()
    assert "\x1b" not in out.getvalue()
    with pytest.raises(CommandError, match="at least 1"):
        call_command("audit", "tail", "--lines", "0")


@pytest.mark.django_db(transaction=True)
def test_writers_at_once_make_one_chain():
    def work() -> None:
        try:
            for _ in range(20):
                audit.write_many([audit.Entry("x.y"), audit.Entry("x.z")], by=None)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "160 entries hold together" in verified()


@pytest.mark.django_db(transaction=True)
def test_an_entry_is_there_if_and_only_if_what_it_tells_of_is():
    ana = AnalystFactory(username="ana")
    with pytest.raises(IntegrityError):
        told_and_failed(ana)
    assert AuditEntry.objects.count() == 0


@transaction.atomic
def told_and_failed(by) -> None:
    audit.write("x.y", by=by)
    AnalystFactory(username="ana")


@pytest.mark.django_db
def test_a_thousand_entries_take_one_statement_more_than_none(django_assert_num_queries):
    with django_assert_num_queries(2):
        audit.write_many([audit.Entry("x.y")] * 900, by=None)


@pytest.mark.django_db
def test_deleting_an_account_takes_nothing_from_the_log():
    ana = AnalystFactory(username="ana")
    audit.write("x.y", by=ana)
    number = ana.pk
    ana.delete()
    entry = AuditEntry.objects.get()
    assert (entry.actor_id, entry.actor) == (number, "ana")
    assert "1 entries hold together" in verified()


@pytest.mark.django_db
def test_what_is_done_to_a_case_is_told_with_before_and_after():
    ana, case = AnalystFactory(username="ana"), CaseFactory(anomaly_count=1)
    found = AnomalyFactory(case=case, user_id=case.user_id, transaction__user_id=case.user_id)
    cases.claim(case.pk, by=ana)
    cases.claim(case.pk, by=ana)
    cases.release(case.pk, by=ana)
    cases.judge(case.pk, value="fraud", by=ana, note="Called.")
    told = [(entry.action, entry.actor, entry.changes) for entry in reversed(audit.of_case(case.pk))]
    assert [action for action, _, _ in told] == ["case.claimed", "case.released", "verdict.given", "case.closed"]
    assert told[0][1:] == ("ana", [("state", "open", "claimed"), ("assignee", None, "ana")])
    assert ("outcome", None, "fraud") in told[3][2]
    given = AuditEntry.objects.get(action="verdict.given")
    assert (given.subject, given.note, given.user_id) == (str(found.pk), "Called.", case.user_id)
    assert "4 entries hold together" in verified()


@pytest.mark.django_db
def test_a_refused_wish_leaves_no_entry():
    ana, ben, case = AnalystFactory(), AnalystFactory(), CaseFactory()
    cases.claim(case.pk, by=ana)
    with pytest.raises(cases.CaseError):
        cases.claim(case.pk, by=ben)
    with pytest.raises(verdicts.VerdictError):
        cases.close(case.pk, outcome="maybe", by=ana)
    assert [entry.action for entry in AuditEntry.objects.all()] == ["case.claimed"]


@pytest.mark.django_db
def test_a_verdict_through_any_door_is_told():
    row = VerdictFactory().transaction
    verdicts.give(transaction_id=row.pk, user_id=row.user_id, value="fraud", source="chargeback", note="R-1")
    entry = AuditEntry.objects.get(action="verdict.given")
    assert (entry.subject, entry.after["source"], entry.note, entry.actor) == (str(row.pk), "chargeback", "R-1", "")


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", ["c", "b", "a"]),
        ("?action=x.a", ["a"]),
        ("?actor=ana", ["b"]),
        (f"?case_id={uuid.UUID(int=1)}", ["c"]),
        (f"?user_id={uuid.UUID(int=2)}", ["c"]),
        (f"?q={uuid.UUID(int=2)}", ["c"]),
        ("?case_id=nonsense", []),
    ],
)
def test_the_log_is_listed_newest_first_and_filtered(admin_client, query, shown):
    audit.write("x.a", by=None, subject="a")
    audit.write("x.b", by=AnalystFactory(username="ana"), subject="b")
    audit.write("x.c", by=None, subject="c", case_id=uuid.UUID(int=1), user_id=uuid.UUID(int=2))
    listed = admin_client.get(LIST + query).context["cl"].result_list
    assert [entry.subject for entry in listed if entry.action.startswith("x.")] == shown


@pytest.mark.django_db
def test_the_list_takes_as_many_queries_for_many_entries_as_for_one(admin_client, django_assert_max_num_queries):
    audit.write_many([audit.Entry("x.y", case_id=uuid.uuid4())] * 200, by=None)
    with django_assert_max_num_queries(7):
        assert admin_client.get(LIST).status_code == 200


@pytest.mark.django_db
def test_nothing_in_the_log_runs_as_a_script_and_nothing_is_edited(admin_client):
    state = {HOSTILE: HOSTILE}
    audit.write("x.y", by=AnalystFactory(username=HOSTILE), subject=HOSTILE, before=state, after={}, note=HOSTILE)
    position = AuditEntry.objects.get(action="x.y").pk
    for address in (LIST, f"{LIST}{position}/change/"):
        page = admin_client.get(address).content.decode()
        assert "<script>alert(1)" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;alert(1)" in page
    assert admin_client.post(f"{LIST}{position}/change/", {"note": "x"}).status_code == 403
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(f"{LIST}{position}/delete/", {"post": "yes"}).status_code == 403
