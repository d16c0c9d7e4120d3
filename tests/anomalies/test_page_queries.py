"""Every page of the console takes as many queries for many rows as for few, and no more than is written down here."""

from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from anomalies import audit, comments
from anomalies.models import AlertBudget, ModelVersion, PendingScore
from tests.factories import AnalystFactory, AnomalyFactory, CaseFactory, VerdictFactory
from transactions import keys
from transactions.models import Load

pytestmark = pytest.mark.django_db

# Queries of a superuser, two of them for the session and the account.
LISTS = {
    "anomalies_alertbudget": 5,
    "anomalies_anomaly": 5,
    "anomalies_auditentry": 5,
    "anomalies_case": 6,
    "anomalies_modelversion": 5,
    "anomalies_pendingscore": 5,
    "anomalies_reference": 5,
    "anomalies_verdict": 5,
    "auth_group": 5,
    "auth_user": 7,
    "transactions_apikey": 5,
    "transactions_load": 5,
    "transactions_transaction": 5,
}
# Of libraries, or pinned where their tests are.
ELSEWHERE = {
    "anomalies_webhookdelivery",
    "anomalies_webhookendpoint",
    "axes_accessattempt",
    "axes_accessfailurelog",
    "axes_accesslog",
    "procrastinate_procrastinatejob",
}
SINGLE = {
    "anomalies_case_change": 9,
    "anomalies_case_assign": 4,
    "anomalies_anomaly_change": 4,
    "transactions_transaction_change": 5,
    "console_user": 11,
    "console_users": 3,
    "index": 16,
}


def fill(times: int) -> dict[str, Any]:
    """So many of everything, and of each something to open."""
    case = CaseFactory(anomaly_count=times)
    for number in range(times):
        found = AnomalyFactory(case=case, user_id=case.user_id, transaction__user_id=case.user_id)
        analyst = AnalystFactory()
        VerdictFactory(transaction=found.transaction, author=analyst)
        audit.write("case.claimed", by=analyst, case_id=case.pk)
        comments.add(case, analyst, "Some words.")
        CaseFactory(assignee=analyst, state="claimed")
        CaseFactory(user_id=case.user_id, closed_by=analyst, state="closed", outcome="fraud")
        AlertBudget.objects.create(cases_per_day=7, by=analyst)
        PendingScore.objects.create(user_id=AnomalyFactory().user_id, since=case.since)
        keys.create(owner=analyst, name="some")
        Load.objects.create(digest=f"{times}-{number}", name="n")
        ModelVersion.objects.create(name=f"{times}-{number}")
    return {"case": case.pk, "anomaly": found.pk, "transaction": found.pk, "user": case.user_id}


def address(name: str, ids: dict[str, Any]) -> str:
    if name == "console_user":
        return reverse(name, args=[ids["user"]])
    of_one = [ids[name.split("_")[1]]] if name.endswith(("_change", "_assign")) else []
    return reverse(name if name == "console_users" else f"admin:{name}", args=of_one)


def taken(client: Client, path: str) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(path).status_code == 200, path
    return [query["sql"] for query in queries]


def test_no_page_takes_more_queries_for_more_rows(admin_client: Client) -> None:
    pages = {**{f"{name}_changelist": most for name, most in LISTS.items()}, **SINGLE}
    found = {}
    for times in (1, 6):
        ids = fill(times)
        for name in pages:
            found[name, times] = taken(admin_client, address(name, ids))
    assert {name: len(found[name, 6]) for name in pages if len(found[name, 6]) != len(found[name, 1])} == {}
    assert {name: found[name, 6] for name, most in pages.items() if len(found[name, 6]) > most} == {}


def test_every_list_is_looked_at() -> None:
    kinds = {f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry}
    assert sorted(kinds - LISTS.keys() - ELSEWHERE) == []
