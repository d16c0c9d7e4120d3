"""A case is one analyst's work at a time, and is closed once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from anomalies import cases
from anomalies.cases import CaseError
from anomalies.models import Case, Verdict
from anomalies.verdicts import VerdictError
from tests.factories import AnalystFactory, AnomalyFactory, CaseFactory, VerdictFactory

pytestmark = pytest.mark.django_db


def test_a_claimed_case_is_its_analysts_for_a_while():
    case, ana = CaseFactory(), AnalystFactory()
    cases.claim(case.pk, by=ana)
    case.refresh_from_db()
    assert (case.state, case.assignee) == ("claimed", ana)
    assert timedelta(minutes=29) < case.lease_until - timezone.now() <= cases.LEASE


def test_claiming_again_renews_the_lease():
    ana = AnalystFactory()
    case = CaseFactory(state="claimed", assignee=ana, lease_until=timezone.now() + timedelta(minutes=1))
    cases.claim(case.pk, by=ana)
    case.refresh_from_db()
    assert case.lease_until > timezone.now() + timedelta(minutes=20)


def test_nobody_claims_closes_or_judges_the_case_another_is_working_on():
    case, ana, ben = CaseFactory(), AnalystFactory(username="ana"), AnalystFactory()
    cases.claim(case.pk, by=ana)
    for wish in (
        lambda: cases.claim(case.pk, by=ben),
        lambda: cases.close(case.pk, outcome="fraud", by=ben),
        lambda: cases.judge(case.pk, value="fraud", by=ben),
    ):
        with pytest.raises(CaseError, match="ana is working on this case"):
            wish()
    case.refresh_from_db()
    assert (case.state, case.assignee) == ("claimed", ana)


def test_a_lease_that_is_over_holds_nobody_off():
    case = CaseFactory(state="claimed", assignee=AnalystFactory(), lease_until=timezone.now() - timedelta(seconds=1))
    ben = AnalystFactory()
    cases.claim(case.pk, by=ben)
    case.refresh_from_db()
    assert case.assignee == ben


def test_only_who_holds_a_case_releases_it():
    case, ana = CaseFactory(), AnalystFactory()
    cases.claim(case.pk, by=ana)
    with pytest.raises(CaseError, match="You do not hold this case"):
        cases.release(case.pk, by=AnalystFactory())
    cases.release(case.pk, by=ana)
    case.refresh_from_db()
    assert (case.state, case.assignee, case.lease_until) == ("open", None, None)


def test_closing_says_who_and_when_and_how_and_happens_once():
    case, ana = CaseFactory(), AnalystFactory(username="ana")
    cases.close(case.pk, outcome="expected", by=ana)
    case.refresh_from_db()
    assert (case.state, case.outcome, case.closed_by) == ("closed", "expected", ana)
    assert abs(timezone.now() - case.closed_at) < timedelta(seconds=5)
    with pytest.raises(CaseError, match="was closed as expected by ana"):
        cases.close(case.pk, outcome="fraud", by=ana)
    with pytest.raises(CaseError, match="was closed as expected by ana"):
        cases.claim(case.pk, by=ana)


def test_an_unknown_outcome_closes_nothing():
    case = CaseFactory()
    with pytest.raises(VerdictError, match="choose one of fraud"):
        cases.close(case.pk, outcome="maybe", by=AnalystFactory())
    case.refresh_from_db()
    assert case.state == "open"


def test_a_case_with_nothing_left_to_judge_is_only_closed():
    case = CaseFactory()
    VerdictFactory(transaction=AnomalyFactory(user_id=case.user_id, case=case).transaction)
    with pytest.raises(CaseError, match="close the case with an outcome"):
        cases.judge(case.pk, value="fraud", by=AnalystFactory(), note="This note would be lost.")
    case.refresh_from_db()
    assert case.state == "open"


def test_a_verdict_on_a_case_goes_to_its_unjudged_anomalies_and_closes_it():
    case, ana = CaseFactory(), AnalystFactory()
    first, second, judged = (AnomalyFactory(user_id=case.user_id, case=case) for _ in range(3))
    earlier = VerdictFactory(transaction=judged.transaction, value="legitimate")
    given = cases.judge(case.pk, value="fraud", by=ana, note="Called the holder.")
    assert [verdict.transaction_id for verdict in given] == [first.pk, second.pk]
    assert set(Verdict.objects.filter(value="fraud").values_list("author", "note", "source", "user_id")) == {
        (ana.pk, "Called the holder.", "analyst", case.user_id)
    }
    assert list(Verdict.objects.filter(transaction=judged.pk)) == [earlier]
    assert Case.objects.get().outcome == "fraud"
