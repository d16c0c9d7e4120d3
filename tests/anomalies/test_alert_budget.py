"""The alert budget is set on the dashboard by leads, counts from then on, and is told to the audit log."""

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from anomalies import budget
from anomalies.models import AlertBudget, AuditEntry
from tests.factories import START, AnalystFactory, AnomalyFactory, TransactionFactory

pytestmark = pytest.mark.django_db

SET = reverse("admin:anomalies_alertbudget_set")
HISTORY = reverse("admin:anomalies_alertbudget_changelist")


@pytest.fixture
def lead() -> Client:
    account = AnalystFactory(username="lena")
    names = ["view_case", "view_anomaly", "view_alertbudget", "change_alertbudget"]
    account.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(account)
    return client


def peaks(days: int = 10) -> None:
    """An anomaly of a user of its own for each score from 40 to 80, spread over the days before START."""
    for number in range(41):
        AnomalyFactory(score=40.0 + number, transaction__txn_date=START - budget.WINDOW * days / 14 * number / 40)


def test_until_somebody_sets_one_the_setting_counts(settings):
    settings.ALERT_BUDGET = 2
    peaks()
    assert budget.newest_or_setting() == 2
    assert budget.reckoned(START) == (2, 61.0)


def test_the_newest_counts_and_the_threshold_follows(lead, settings):
    settings.ALERT_BUDGET = 2
    peaks()
    for cases in ("3", "1"):
        answer = lead.post(SET, {"cases_per_day": cases}, follow=True)
    assert "From now on 1 new cases a day: a score of 71.0 opens one." in answer.content.decode()
    assert budget.reckoned(START) == (1, 71.0)
    assert budget.newest_or_setting() == 1
    assert list(AlertBudget.objects.values_list("cases_per_day", "by__username")) == [(1, "lena"), (3, "lena")]


def test_a_change_is_in_the_audit_log(lead, settings):
    settings.ALERT_BUDGET = 100
    lead.post(SET, {"cases_per_day": "40"})
    entry = AuditEntry.objects.get(action="budget.changed")
    assert (entry.actor, entry.before, entry.after) == ("lena", {"cases_per_day": 100}, {"cases_per_day": 40})


@pytest.mark.parametrize("cases", ["0", "-1", "1000001", "", "many", "1.5", "٣", "9" * 40])
def test_what_is_no_budget_is_told_so(lead, cases):
    answer = lead.post(SET, {"cases_per_day": cases}, follow=True)
    assert "A budget is a whole number of cases a day" in answer.content.decode()
    assert not AlertBudget.objects.exists()


def test_the_database_takes_no_other_budget_either():
    for cases in (0, 1_000_001):
        with pytest.raises(IntegrityError), transaction.atomic():
            AlertBudget.objects.create(cases_per_day=cases)


def test_who_may_not_change_it_sees_it_without_a_form(desk, lead):
    TransactionFactory()
    assert f'action="{SET}"' in lead.get("/admin/").content.decode()
    assert f'action="{SET}"' not in desk.get("/admin/").content.decode()
    assert "From the setting ALERT_BUDGET" in desk.get("/admin/").content.decode()
    assert desk.post(SET, {"cases_per_day": "5"}).status_code == 403
    assert lead.get(SET).status_code == 405
    assert not AlertBudget.objects.exists()


def test_its_changes_are_listed(lead, desk):
    assert "Nobody has set a budget yet" in lead.get(HISTORY).content.decode()
    lead.post(SET, {"cases_per_day": "1234"})
    text = lead.get(HISTORY).content.decode()
    assert "1,234" in text
    assert "lena" in text
    assert desk.get(HISTORY).status_code == 403
