"""A user's page for any id: what is known, scores of what nobody flagged, and bounded queries."""

import re
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from anomalies.models import AuditEntry, Verdict
from tests.factories import (
    START,
    USER,
    AnalystFactory,
    AnomalyFactory,
    CaseFactory,
    TransactionFactory,
    VerdictFactory,
)
from transactions.admin import users

pytestmark = pytest.mark.django_db

LOOKUP = reverse("console_users")
PAGE = reverse("console_user", args=[USER])


def judge_page(transaction) -> str:
    return reverse("admin:transactions_transaction_judge", args=[transaction.pk])


def holder(*permissions: str) -> Client:
    account = AnalystFactory()
    account.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(account)
    return client


def text_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_a_user_without_anomalies_has_a_page_with_every_transaction_to_score(admin_client):
    rows = TransactionFactory.create_batch(9, meta_data={"merchant_id": "m-17"})
    text = text_of(admin_client, PAGE)
    for row in rows:
        assert reverse("admin:transactions_transaction_change", args=[row.pk]) in text
    assert text.count("score it") == 9
    assert "No transaction of this user stood out" in text
    assert "Never had a case" in text
    assert "m-17" in text


def test_it_shows_cases_anomalies_and_verdicts(admin_client):
    case = CaseFactory(user_id=USER, state="closed", outcome="fraud")
    anomaly = AnomalyFactory(transaction__user_id=USER, case=case, score=87.0)
    VerdictFactory(transaction=anomaly.transaction, value="fraud", note="Card was stolen.")
    other = AnomalyFactory(score=99.0)
    text = text_of(admin_client, PAGE)
    for shown in (
        str(case.pk),
        "87.0",
        "Card was stolen.",
        reverse("admin:anomalies_anomaly_change", args=[anomaly.pk]),
    ):
        assert shown in text
    assert str(other.pk) not in text
    context = admin_client.get(PAGE).context
    ((payment, found, verdict),) = context["payments"]
    assert (payment.id, found.pk, verdict.value) == (anomaly.pk, anomaly.pk, "fraud")


def test_the_latest_verdict_is_the_one_beside_a_transaction(admin_client):
    row = TransactionFactory()
    for value, hours in (("legitimate", 2), ("fraud", 1), ("unsure", 3)):
        VerdictFactory(transaction=row, value=value, known_at=START - timedelta(hours=hours))
    assert [shown.verdict.value for shown in admin_client.get(PAGE).context["payments"]] == ["fraud"]
    VerdictFactory(transaction=row, value="withdrawn", known_at=START)
    assert [shown.verdict for shown in admin_client.get(PAGE).context["payments"]] == [None]


def test_an_unknown_id_is_told_what_to_do(admin_client):
    text = text_of(admin_client, reverse("console_user", args=[uuid4()]))
    assert "No transaction of this user" in text
    assert "All transactions" in text


def test_older_pages_miss_no_row_where_instants_tie(admin_client, monkeypatch):
    monkeypatch.setattr(users, "PAYMENTS_SHOWN", 3)
    rows = [TransactionFactory(txn_date=START + timedelta(hours=number // 4)) for number in range(11)]
    rows.sort(key=lambda row: (-row.txn_date.timestamp(), row.pk.bytes))
    seen, address = [], PAGE
    for _ in range(9):
        context = admin_client.get(address).context
        seen += [shown.payment.id for shown in context["payments"]]
        if context["older"] is None:
            break
        address = PAGE + re.search(r'href="(\?before=[^"]+)"', text_of(admin_client, address))[1]
    assert seen == [row.pk for row in rows]


@pytest.mark.parametrize("before", ["nonsense", "2024-06-01_x", f"2024-06-01T00:00:00_{UUID(int=1)}", "_"])
def test_a_place_that_is_none_shows_the_newest(admin_client, before):
    row = TransactionFactory()
    answer = admin_client.get(PAGE, {"before": before, "days": "x"})
    assert [shown.payment.id for shown in answer.context["payments"]] == [row.pk]


def test_a_page_takes_a_bounded_number_of_queries(admin_client, django_assert_max_num_queries):
    for number in range(60):
        anomaly = AnomalyFactory(transaction__user_id=USER, case=CaseFactory(user_id=USER, state="closed"))
        VerdictFactory(transaction=anomaly.transaction, author=AnalystFactory(username=f"judge-{number}"))
    with django_assert_max_num_queries(12):
        admin_client.get(PAGE)


def test_an_id_leads_to_its_user_or_its_transaction(admin_client):
    row = TransactionFactory()
    assert admin_client.get(LOOKUP, {"q": f" {USER} "})["Location"] == PAGE
    transaction_page = reverse("admin:transactions_transaction_change", args=[row.pk])
    assert admin_client.get(LOOKUP, {"q": str(row.pk)})["Location"] == transaction_page
    # Somebody nobody has heard of has a page too, which says so.
    assert admin_client.get(LOOKUP, {"q": str(UUID(int=5))})["Location"] == reverse("console_user", args=[UUID(int=5)])


def test_what_is_no_id_is_told_so_and_shown_as_text(admin_client):
    text = text_of(admin_client, LOOKUP + "?q=<script>x</script>")
    assert "is no id" in text
    assert "<script>x" not in text


def test_the_lookup_begins_with_who_has_a_case_to_do(admin_client):
    assert "No case is open" in text_of(admin_client, LOOKUP)
    waiting, done = CaseFactory(), CaseFactory(state="closed")
    text = text_of(admin_client, LOOKUP)
    assert reverse("console_user", args=[waiting.user_id]) in text
    assert reverse("console_user", args=[done.user_id]) not in text


def test_lists_lead_to_the_page(admin_client):
    anomaly = AnomalyFactory(transaction__user_id=USER)
    VerdictFactory(transaction=anomaly.transaction)
    for model in ("anomalies_anomaly", "anomalies_verdict", "transactions_transaction"):
        assert PAGE in text_of(admin_client, reverse(f"admin:{model}_changelist")), model
    assert PAGE in text_of(admin_client, reverse("admin:anomalies_anomaly_change", args=[anomaly.pk]))
    assert PAGE in text_of(admin_client, reverse("admin:transactions_transaction_change", args=[anomaly.pk]))


@pytest.mark.parametrize("address", [LOOKUP, PAGE])
def test_only_who_may_see_transactions_sees_users(address):
    assert holder("view_case", "view_anomaly").get(address).status_code == 403
    assert holder("view_transaction").get(address).status_code == 200
    assert Client().get(address)["Location"].startswith("/admin/login/")


class TestVerdictOnAnyTransaction:
    def test_one_that_nobody_flagged_is_judged(self):
        row = TransactionFactory()
        client = holder("view_transaction", "review_case")
        page = reverse("admin:transactions_transaction_change", args=[row.pk])
        assert judge_page(row) in text_of(client, page)
        answer = client.post(judge_page(row), {"value": "fraud", "note": "Chargeback."}, follow=True)
        assert "Verdict: fraud." in answer.content.decode()
        verdict = Verdict.objects.get()
        assert (verdict.transaction_id, verdict.user_id, verdict.value) == (row.pk, USER, "fraud")
        assert AuditEntry.objects.get(action="verdict.given").subject == str(row.pk)

    def test_what_is_no_verdict_is_told_so(self):
        row = TransactionFactory()
        answer = holder("view_transaction", "review_case").post(judge_page(row), {"value": "maybe"}, follow=True)
        assert "is no verdict" in answer.content.decode()
        assert not Verdict.objects.exists()

    def test_an_unknown_transaction_is_not_found(self, admin_client):
        unknown = reverse("admin:transactions_transaction_judge", args=[uuid4()])
        assert admin_client.post(unknown, {"value": "fraud"}).status_code == 404

    @pytest.mark.parametrize("permissions", [["view_transaction"], ["review_case"], []])
    def test_only_who_may_review_and_see_it_judges(self, permissions):
        row = TransactionFactory()
        client = holder(*permissions)
        assert client.post(judge_page(row), {"value": "fraud"}).status_code == 403
        assert not Verdict.objects.exists()
        if "view_transaction" in permissions:
            page = reverse("admin:transactions_transaction_change", args=[row.pk])
            assert judge_page(row) not in text_of(client, page)
