"""The console through its door: what each page shows, to whom, in how many queries, and what its buttons do."""

import math
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from anomalies import cases
from anomalies.models import Case, PendingScore, Verdict
from tests.anomalies.findings import LARGE
from tests.factories import (
    START,
    AnalystFactory,
    AnomalyFactory,
    CaseFactory,
    TransactionFactory,
    VerdictFactory,
)

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
HOSTILE = "<script>alert(1)</script>\"'<img src=x onerror=alert(1)>"
CASES = reverse("admin:anomalies_case_changelist")
ANOMALIES = reverse("admin:anomalies_anomaly_changelist")
PART = {"X-Console-Part": "case"}
FAINT = {**LARGE, "code": HOSTILE, "contribution": 0.01}


@pytest.fixture
def viewer():
    user = AnalystFactory()
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_case", "view_anomaly"]))
    browser = Client()
    browser.force_login(user)
    return browser


@pytest.fixture
def case():
    """A case of two anomalies with their transactions, and ordinary payments around them."""
    held = CaseFactory(priority=85.0, anomaly_count=2, latest_at=START + DAY)
    for days, score in ((0, 85.0), (1, 62.0)):
        AnomalyFactory(
            user_id=held.user_id,
            case=held,
            score=score,
            reasons=[LARGE, FAINT],
            transaction__user_id=held.user_id,
            transaction__txn_date=START + days * DAY,
            transaction__meta_data={"merchant_id": HOSTILE},
        )
    for days in range(1, 12):
        TransactionFactory(user_id=held.user_id, txn_date=START - days * DAY)
    with transaction.atomic():
        cases.collect([held.user_id], alerted=[], threshold=math.inf, since=None)
    return held


def page(case: Case, name: str = "change", *more: object) -> str:
    return reverse(f"admin:anomalies_case_{name}", args=[case.pk, *more])


def text_of(response) -> str:
    return response.content.decode()


class TestCasePage:
    def test_it_tells_who_what_and_why(self, desk, case):
        text = text_of(desk.get(page(case)))
        assert str(case.user_id) in text
        assert "910.00 EUR is 18.2 times this user&#x27;s median of 50.00" in text
        assert "2.50" in text
        assert "11 payments" in text
        assert "1 weaker reason, 0.01" in text

    def test_a_reasons_bar_is_as_long_as_its_part_of_the_longest(self, desk, case):
        half = {**LARGE, "contribution": 1.25}
        case.anomalies.filter(score=62.0).update(reasons=[half])
        text = text_of(desk.get(page(case)))
        assert '<rect width="100.0"' in text
        assert '<rect width="50.0"' in text

    def test_what_strangers_wrote_is_shown_as_text(self, desk, case):
        VerdictFactory(transaction=case.anomalies.first().transaction, note=HOSTILE, source=HOSTILE[:32])
        text = text_of(desk.get(page(case)))
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert text.count("&lt;script&gt;alert(1)") >= 4

    def test_it_takes_a_bounded_number_of_queries(self, desk, case, django_assert_max_num_queries):
        for number in range(30):
            AnomalyFactory(user_id=case.user_id, case=case, transaction__txn_date=START + number * DAY)
        with django_assert_max_num_queries(12):
            desk.get(page(case))

    def test_an_analysts_page_with_the_offer_to_undo_takes_no_more(self, case, django_assert_max_num_queries):
        browser, ana = Client(), AnalystFactory()
        ana.groups.add(Group.objects.get(name="Analyst"))
        browser.force_login(ana)
        urgent = CaseFactory(priority=95.0)
        cases.close(urgent.pk, outcome="unsure", by=ana)
        with django_assert_max_num_queries(12):
            text = text_of(browser.get(page(case), {"after": urgent.pk}))
        assert f'action="{page(urgent, "undo")}"' in text

    def test_payments_after_the_case_and_before_it_are_its_neighbours(self, desk, case):
        later = TransactionFactory(user_id=case.user_id, txn_date=START + 3 * DAY, amount="77.77")
        text = text_of(desk.get(page(case)))
        assert "77.77" in text
        assert text.index("77.77") < text.index('<tr class="odd">')
        assert later.txn_date > case.latest_at

    def test_who_may_only_look_gets_no_buttons(self, viewer, case):
        text = text_of(viewer.get(page(case)))
        assert "may look at cases but not judge" in text
        assert 'name="value"' not in text
        assert "Claim" not in text

    def test_a_case_that_is_not_there_is_not_found(self, desk):
        assert desk.get(page(CaseFactory.build())).status_code == 404
        assert desk.get(CASES + "no-id/change/").status_code == 404

    def test_nobody_gets_in_without_logging_in(self, case):
        for url in (page(case), CASES, ANOMALIES, reverse("admin:index")):
            assert Client().get(url).status_code == 302


class TestVerdicts:
    def test_a_verdict_on_the_case_judges_its_transactions_and_closes_it(self, desk, case, analyst):
        response = desk.post(page(case, "judge"), {"value": "fraud", "note": "Called."}, follow=True)
        assert "Closed as fraud, with a verdict on 2 transactions." in text_of(response)
        case.refresh_from_db()
        assert (case.state, case.outcome, case.closed_by) == ("closed", "fraud", analyst)
        given = set(Verdict.objects.values_list("value", "author", "note"))
        assert given == {("fraud", analyst.pk, "Called.")}

    def test_a_verdict_on_one_transaction_leaves_the_case_open(self, desk, case):
        one = case.anomalies.get(score=62.0)
        assert f'action="{page(case, "judge_one", one.pk)}"' in text_of(desk.get(page(case)))
        desk.post(page(case, "judge_one", one.pk), {"value": "expected"})
        assert [(verdict.transaction_id, verdict.value) for verdict in Verdict.objects.all()] == [(one.pk, "expected")]
        case.refresh_from_db()
        assert case.state == "open"

    def test_a_transaction_of_another_case_is_not_judged_here(self, desk, case):
        other = AnomalyFactory(case=CaseFactory())
        assert desk.post(page(case, "judge_one", other.pk), {"value": "fraud"}).status_code == 404
        assert not Verdict.objects.exists()

    def test_an_unknown_verdict_is_refused_with_a_sentence(self, desk, case):
        response = desk.post(page(case, "judge"), {"value": HOSTILE}, follow=True)
        assert "is no verdict: choose one of fraud" in text_of(response)
        assert "<script>alert" not in text_of(response)
        assert not Verdict.objects.exists()

    def test_a_case_is_judged_once(self, desk, case):
        desk.post(page(case, "judge"), {"value": "fraud"})
        response = desk.post(page(case, "judge"), {"value": "legitimate"}, follow=True)
        assert "This case was closed as fraud by ana." in text_of(response)
        assert Verdict.objects.count() == 2

    def test_who_may_not_judge_is_refused(self, viewer, case):
        one = case.anomalies.first()
        for url in (page(case, "judge"), page(case, "judge_one", one.pk), page(case, "claim"), page(case, "close")):
            assert viewer.post(url, {"value": "fraud", "outcome": "fraud"}).status_code == 403
        assert not Verdict.objects.exists()

    def test_buttons_need_a_token_and_a_post(self, desk, case, analyst):
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(analyst)
        assert strict.post(page(case, "judge"), {"value": "fraud"}).status_code == 403
        assert desk.get(page(case, "judge")).status_code == 405
        assert not Verdict.objects.exists()


class TestWork:
    def test_claim_and_release(self, desk, case, analyst):
        assert "The case is yours for 30 min" in text_of(desk.post(page(case, "claim"), follow=True))
        case.refresh_from_db()
        assert (case.state, case.assignee) == ("claimed", analyst)
        assert "The case is back in the queue" in text_of(desk.post(page(case, "release"), follow=True))
        case.refresh_from_db()
        assert (case.state, case.assignee) == ("open", None)

    def test_a_case_that_another_works_on_offers_no_buttons(self, desk, case):
        Case.objects.update(state="claimed", assignee=AnalystFactory(username="ben"), lease_until=timezone.now() + DAY)
        text = text_of(desk.get(page(case)))
        assert "ben is working on this case." in text
        assert page(case, "judge") + '"' not in text

    def test_close_without_a_verdict(self, desk, case):
        desk.post(page(case, "close"), {"outcome": "unsure"})
        case.refresh_from_db()
        assert (case.state, case.outcome) == ("closed", "unsure")
        assert not Verdict.objects.exists()

    def test_a_case_whose_transactions_are_judged_one_by_one_is_closed_with_the_gravest_outcome(self, desk, case):
        for anomaly, value in zip(case.anomalies.order_by("score"), ("legitimate", "fraud"), strict=True):
            desk.post(page(case, "judge_one", anomaly.pk), {"value": value})
        text = text_of(desk.get(page(case)))
        assert "Every transaction has its verdict." in text
        assert '<option value="fraud" selected>' in text
        assert page(case, "judge") + '"' not in text

    def test_a_verdict_leads_to_the_next_most_urgent_case_claimed(self, desk, case, analyst):
        CaseFactory(priority=50.0)
        urgent = CaseFactory(priority=95.0)
        response = desk.post(page(case, "judge"), {"value": "fraud", "then": "next"})
        assert response["Location"] == f"{page(urgent)}?after={case.pk}"
        urgent.refresh_from_db()
        assert (urgent.state, urgent.assignee) == ("claimed", analyst)
        assert f'action="{page(case, "undo")}"' in text_of(desk.get(response["Location"]))

    def test_the_script_gets_the_next_case_with_the_answer_to_the_verdict(
        self, desk, case, django_assert_max_num_queries
    ):
        urgent = CaseFactory(priority=95.0)
        # Of these 12 show the page, 11 judge and tell, 5 claim the next case.
        with django_assert_max_num_queries(31):
            response = desk.post(page(case, "judge"), {"value": "fraud", "then": "next"}, headers=PART)
        assert (response.status_code, response["Content-Location"]) == (200, f"{page(urgent)}?after={case.pk}")
        text = text_of(response)
        assert text.lstrip().startswith('<div id="part"')
        assert f'action="{page(urgent, "judge")}"' not in text  # it has no transactions
        assert f'action="{page(urgent, "close")}"' in text
        assert f'action="{page(case, "undo")}"' in text
        assert "Closed as fraud, with a verdict on 2 transactions." in text
        assert "Closed as fraud" not in text_of(desk.get(CASES))

    def test_the_script_is_told_what_went_wrong_with_the_page(self, desk, case):
        response = desk.post(page(case, "judge"), {"value": "withdrawn", "then": "next"}, headers=PART)
        assert (response.status_code, response["Content-Location"]) == (200, page(case))
        assert "is no verdict" in text_of(response)


class TestCaseList:
    def test_the_most_urgent_comes_first_with_its_strongest_reason(self, desk, case):
        CaseFactory(priority=99.0)
        text = text_of(desk.get(CASES))
        assert text.index("99.0") < text.index("85.0")
        assert "910.00 EUR is 18.2 times" in text

    @pytest.mark.parametrize(
        ("query", "shown"),
        [
            ("", {"open", "claimed"}),
            ("?state=open", {"open"}),
            ("?state=claimed", {"claimed"}),
            ("?state=mine", {"claimed"}),
            ("?state=closed", {"closed"}),
            ("?state=all", {"open", "claimed", "closed"}),
            ("?level=high", {"claimed"}),
            ("?level=medium&state=all", {"open", "closed"}),
            ("?level=low", set()),
            ("?outcome=fraud", {"closed"}),
            ("?age=day", {"open", "claimed"}),
            ("?age=older&state=all", {"closed"}),
            ("?state=mine&level=high&age=week", {"claimed"}),
        ],
    )
    def test_filters(self, desk, analyst, query, shown):
        CaseFactory(priority=70.0)
        CaseFactory(priority=90.0, state="claimed", assignee=analyst)
        CaseFactory(priority=60.0, state="closed", outcome="fraud", opened_at=timezone.now() - 8 * DAY)
        listed = desk.get(CASES + query).context["cl"].result_list
        assert {case.state for case in listed} == shown

    def test_search_finds_a_whole_id_and_nothing_else(self, desk, case):
        CaseFactory()
        for wanted in (case.user_id, case.pk):
            assert desk.get(CASES, {"q": f" {wanted} "}).context["cl"].result_list == [case]
        response = desk.get(CASES, {"q": str(case.user_id)[:8]})
        assert response.context["cl"].result_list == []
        assert "Nothing matches" in text_of(response)

    def test_an_unknown_choice_is_not_ignored(self, desk):
        assert desk.get(CASES + "?state=lost").status_code == 302

    def test_an_empty_queue_says_what_opens_a_case(self, desk):
        assert "A case opens when an anomaly reaches the alert threshold" in text_of(desk.get(CASES))

    def test_the_number_of_queries_does_not_grow_with_the_cases(self, desk, django_assert_num_queries):
        desk.get(CASES)
        for number in range(60):
            AnomalyFactory(case=CaseFactory(priority=40.0 + number, state="claimed", assignee=AnalystFactory()))
        with django_assert_num_queries(8):
            desk.get(CASES)

    def test_cases_are_neither_added_nor_edited_by_form(self, desk, case):
        assert desk.get(CASES + "add/").status_code == 403
        assert desk.get(page(case, "delete")).status_code == 403


class TestAnomalies:
    @pytest.mark.parametrize(
        ("query", "scores"),
        [
            ("", [45.0, 65.0, 85.0]),
            ("?level=high", [85.0]),
            ("?level=medium", [65.0]),
            ("?level=low", [45.0]),
            ("?score_from=65", [65.0, 85.0]),
            ("?score_from=50&score_to=65", [65.0]),
            ("?score_from=nan", []),
            ("?score_from=abc", []),
            ("?txn_date_from=2024-06-02&txn_date_to=2024-06-02", [65.0]),
            ("?txn_date_to=2024-06-01", [45.0]),
            ("?txn_date_to=9999-12-31", []),
            ("?txn_date_from=tomorrow", []),
            ("?currency=usd", [85.0]),
            ("?standing=case", [65.0]),
            ("?standing=alone", [45.0, 85.0]),
            ("?reason=amount_over_median", [85.0]),
        ],
    )
    def test_filters(self, desk, query, scores):
        AnomalyFactory(score=45.0, transaction__txn_date=START)
        AnomalyFactory(score=65.0, transaction__txn_date=START + DAY, case=CaseFactory())
        AnomalyFactory(score=85.0, transaction__txn_date=START + 2 * DAY, transaction__currency="USD", reasons=[LARGE])
        listed = desk.get(ANOMALIES + query).context["cl"].result_list
        assert sorted(anomaly.score for anomaly in listed) == scores

    def test_a_filter_that_cannot_be_read_says_so(self, desk):
        assert "Dates like 2026-03-31, please." in text_of(desk.get(ANOMALIES + "?txn_date_from=1.2.2024"))

    def test_applying_the_form_keeps_the_links_and_the_search(self, desk):
        AnomalyFactory()
        text = text_of(desk.get(ANOMALIES + "?level=medium&q=x&score_from=1"))
        text = text[text.index('class="c-filter-form"') :]
        assert '<input type="hidden" name="level" value="medium">' in text
        assert '<input type="hidden" name="q" value="x">' in text
        assert '<input type="hidden" name="score_from"' not in text

    def test_the_page_of_one_tells_reasons_features_and_what_it_was_measured_against(self, desk):
        anomaly = AnomalyFactory(reasons=[LARGE], features={"amount_over_median": 18.2}, raw=2.5)
        text = text_of(desk.get(reverse("admin:anomalies_anomaly_change", args=[anomaly.pk])))
        assert "18.2 times this user" in text
        assert "amount_over_median" in text
        assert str(anomaly.reference_id)[-8:] in text
        assert str(anomaly.transaction_id) in text
        assert "1 in 1,778" in text

    def test_the_number_of_queries_does_not_grow_with_the_anomalies(self, desk, django_assert_num_queries):
        desk.get(ANOMALIES)
        for _ in range(60):
            AnomalyFactory(case=CaseFactory(), reasons=[LARGE])
        with django_assert_num_queries(7):
            desk.get(ANOMALIES)

    def test_what_strangers_wrote_is_shown_as_text(self, desk):
        AnomalyFactory(reasons=[FAINT], transaction__meta_data={"merchant_id": HOSTILE})
        text = text_of(desk.get(ANOMALIES))
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)" in text


@pytest.mark.parametrize("name", ["verdict", "reference", "modelversion", "pendingscore", "anomaly", "case"])
def test_every_list_opens_and_nothing_is_added_changed_or_deleted(admin_client, name):
    PendingScore.objects.create(user_id=uuid4(), since=START)
    VerdictFactory(transaction=AnomalyFactory(case=CaseFactory()).transaction)
    listing = admin_client.get(reverse(f"admin:anomalies_{name}_changelist"))
    (one, *_) = listing.context["cl"].result_list
    change = reverse(f"admin:anomalies_{name}_change", args=[one.pk])
    assert listing.status_code == admin_client.get(change).status_code == 200
    assert admin_client.get(reverse(f"admin:anomalies_{name}_add")).status_code == 403
    assert admin_client.get(reverse(f"admin:anomalies_{name}_delete", args=[one.pk])).status_code == 403
    assert admin_client.post(change, {}).status_code in {403, 405}


def test_scores_of_a_hundred_are_high(desk):
    AnomalyFactory(score=100.0)
    assert len(desk.get(ANOMALIES + "?level=high").context["cl"].result_list) == 1


def test_the_policy_is_strict_but_for_what_the_admin_needs(desk):
    strict = Client().get("/nowhere/").headers["Content-Security-Policy"]
    relaxed = desk.get(reverse("admin:index")).headers["Content-Security-Policy"]
    assert "unsafe" not in strict
    assert "script-src 'self' 'unsafe-eval'" in relaxed
    assert "script-src 'self' 'unsafe-eval' 'unsafe-inline'" not in relaxed
    assert "style-src 'self' 'unsafe-inline'" in relaxed
