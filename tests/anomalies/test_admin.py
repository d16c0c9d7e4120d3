"""The console through its door: what each page shows, to whom, in how many queries, and what its buttons do."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from anomalies import estimates
from anomalies.admin import dashboard
from anomalies.models import Case, PendingScore, Verdict
from anomalies.record import record
from tests.anomalies.findings import finding
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

DAY = timedelta(days=1)
HOSTILE = "<script>alert(1)</script>\"'<img src=x onerror=alert(1)>"
CASES = reverse("admin:anomalies_case_changelist")
ANOMALIES = reverse("admin:anomalies_anomaly_changelist")
LARGE = {
    "code": "amount_over_median",
    "group": "amount",
    "contribution": 2.5,
    "observed": 910.0,
    "expected": 50.0,
    "values": {
        "amount": 910.0,
        "median": 50.0,
        "deviation": 4.0,
        "payments": 50.0,
        "ratio": 18.2,
        "times": 9.1,
        "last": 50.0,
    },
}
FAINT = {**LARGE, "code": HOSTILE, "contribution": 0.01}


@pytest.fixture
def analyst():
    """Somebody who may see, judge and work cases, and nothing else."""
    user = AnalystFactory(username="ana")
    names = ["view_case", "change_case", "view_anomaly", "view_verdict", "add_verdict", "view_reference"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return user


@pytest.fixture
def client(analyst):
    browser = Client()
    browser.force_login(analyst)
    return browser


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
    return held


def page(case: Case, name: str = "change", *more: object) -> str:
    return reverse(f"admin:anomalies_case_{name}", args=[case.pk, *more])


def text_of(response) -> str:
    return response.content.decode()


class TestCasePage:
    def test_it_tells_who_what_and_why(self, client, case):
        text = text_of(client.get(page(case)))
        assert str(case.user_id) in text
        assert "910.00 EUR is 18.2 times this user&#x27;s median of 50.00" in text
        assert "2.50" in text
        assert "11 payments" in text
        assert "1 weaker reason, 0.01" in text

    def test_a_reasons_bar_is_as_long_as_its_part_of_the_longest(self, client, case):
        half = {**LARGE, "contribution": 1.25}
        case.anomalies.filter(score=62.0).update(reasons=[half])
        text = text_of(client.get(page(case)))
        assert '<rect width="100.0"' in text
        assert '<rect width="50.0"' in text

    def test_what_strangers_wrote_is_shown_as_text(self, client, case):
        VerdictFactory(transaction=case.anomalies.first().transaction, note=HOSTILE, source=HOSTILE[:32])
        text = text_of(client.get(page(case)))
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert text.count("&lt;script&gt;alert(1)") >= 4

    def test_it_takes_a_bounded_number_of_queries(self, client, case, django_assert_max_num_queries):
        for number in range(30):
            AnomalyFactory(user_id=case.user_id, case=case, transaction__txn_date=START + number * DAY)
        with django_assert_max_num_queries(13):
            client.get(page(case))

    def test_payments_after_the_case_and_before_it_are_its_neighbours(self, client, case):
        later = TransactionFactory(user_id=case.user_id, txn_date=START + 3 * DAY, amount="77.77")
        text = text_of(client.get(page(case)))
        assert "77.77" in text
        assert text.index("77.77") < text.index('<tr class="odd">')
        assert later.txn_date > case.latest_at

    def test_who_may_only_look_gets_no_buttons(self, viewer, case):
        text = text_of(viewer.get(page(case)))
        assert "may look at cases but not judge" in text
        assert 'name="value"' not in text
        assert "Claim" not in text

    def test_a_case_that_is_not_there_is_not_found(self, client):
        assert client.get(page(CaseFactory.build())).status_code == 404
        assert client.get(CASES + "no-id/change/").status_code == 404

    def test_nobody_gets_in_without_logging_in(self, case):
        for url in (page(case), CASES, ANOMALIES, reverse("admin:index")):
            assert Client().get(url).status_code == 302


class TestVerdicts:
    def test_a_verdict_on_the_case_judges_its_transactions_and_closes_it(self, client, case, analyst):
        response = client.post(page(case, "judge"), {"value": "fraud", "note": "Called."}, follow=True)
        assert "Closed as fraud, with a verdict on 2 transactions." in text_of(response)
        case.refresh_from_db()
        assert (case.state, case.outcome, case.closed_by) == ("closed", "fraud", analyst)
        given = set(Verdict.objects.values_list("value", "author", "note"))
        assert given == {("fraud", analyst.pk, "Called.")}

    def test_a_verdict_on_one_transaction_leaves_the_case_open(self, client, case):
        one = case.anomalies.get(score=62.0)
        client.post(page(case, "judge_one", one.pk), {"value": "expected"})
        assert [(verdict.transaction_id, verdict.value) for verdict in Verdict.objects.all()] == [(one.pk, "expected")]
        case.refresh_from_db()
        assert case.state == "open"

    def test_a_transaction_of_another_case_is_not_judged_here(self, client, case):
        other = AnomalyFactory(case=CaseFactory())
        assert client.post(page(case, "judge_one", other.pk), {"value": "fraud"}).status_code == 404
        assert not Verdict.objects.exists()

    def test_an_unknown_verdict_is_refused_with_a_sentence(self, client, case):
        response = client.post(page(case, "judge"), {"value": HOSTILE}, follow=True)
        assert "is no verdict: choose one of fraud" in text_of(response)
        assert "<script>alert" not in text_of(response)
        assert not Verdict.objects.exists()

    def test_a_case_is_judged_once(self, client, case):
        client.post(page(case, "judge"), {"value": "fraud"})
        response = client.post(page(case, "judge"), {"value": "legitimate"}, follow=True)
        assert "This case was closed as fraud by ana." in text_of(response)
        assert Verdict.objects.count() == 2

    def test_who_may_not_judge_is_refused(self, viewer, case):
        one = case.anomalies.first()
        for url in (page(case, "judge"), page(case, "judge_one", one.pk), page(case, "claim"), page(case, "close")):
            assert viewer.post(url, {"value": "fraud", "outcome": "fraud"}).status_code == 403
        assert not Verdict.objects.exists()

    def test_buttons_need_a_token_and_a_post(self, client, case, analyst):
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(analyst)
        assert strict.post(page(case, "judge"), {"value": "fraud"}).status_code == 403
        assert client.get(page(case, "judge")).status_code == 405
        assert not Verdict.objects.exists()


class TestWork:
    def test_claim_and_release(self, client, case, analyst):
        assert "The case is yours for 30 min" in text_of(client.post(page(case, "claim"), follow=True))
        case.refresh_from_db()
        assert (case.state, case.assignee) == ("claimed", analyst)
        assert "The case is back in the queue" in text_of(client.post(page(case, "release"), follow=True))
        case.refresh_from_db()
        assert (case.state, case.assignee) == ("open", None)

    def test_a_case_that_another_works_on_offers_no_buttons(self, client, case):
        Case.objects.update(state="claimed", assignee=AnalystFactory(username="ben"), lease_until=timezone.now() + DAY)
        text = text_of(client.get(page(case)))
        assert "ben is working on this case." in text
        assert page(case, "judge") + '"' not in text

    def test_close_without_a_verdict(self, client, case):
        client.post(page(case, "close"), {"outcome": "unsure"})
        case.refresh_from_db()
        assert (case.state, case.outcome) == ("closed", "unsure")
        assert not Verdict.objects.exists()

    def test_a_case_whose_transactions_are_judged_one_by_one_is_closed_with_the_gravest_outcome(self, client, case):
        for anomaly, value in zip(case.anomalies.order_by("score"), ("legitimate", "fraud"), strict=True):
            client.post(page(case, "judge_one", anomaly.pk), {"value": value})
        text = text_of(client.get(page(case)))
        assert "Every transaction has its verdict." in text
        assert '<option value="fraud" selected>' in text
        assert page(case, "judge") + '"' not in text

    def test_a_closed_case_leads_to_the_next_most_urgent_one(self, client, case):
        CaseFactory(priority=50.0)
        urgent = CaseFactory(priority=95.0)
        client.post(page(case, "judge"), {"value": "fraud"})
        assert f'href="{page(urgent)}"' in text_of(client.get(page(case)))


class TestCaseList:
    def test_the_most_urgent_comes_first_with_its_strongest_reason(self, client, case):
        CaseFactory(priority=99.0)
        text = text_of(client.get(CASES))
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
    def test_filters(self, client, analyst, query, shown):
        CaseFactory(priority=70.0)
        CaseFactory(priority=90.0, state="claimed", assignee=analyst)
        CaseFactory(priority=60.0, state="closed", outcome="fraud", opened_at=timezone.now() - 8 * DAY)
        listed = client.get(CASES + query).context["cl"].result_list
        assert {case.state for case in listed} == shown

    def test_search_finds_a_whole_id_and_nothing_else(self, client, case):
        CaseFactory()
        for wanted in (case.user_id, case.pk):
            assert client.get(CASES, {"q": f" {wanted} "}).context["cl"].result_list == [case]
        response = client.get(CASES, {"q": str(case.user_id)[:8]})
        assert response.context["cl"].result_list == []
        assert "Nothing matches" in text_of(response)

    def test_an_unknown_choice_is_not_ignored(self, client):
        assert client.get(CASES + "?state=lost").status_code == 302

    def test_an_empty_queue_says_what_opens_a_case(self, client):
        assert "A case opens when an anomaly reaches the alert threshold" in text_of(client.get(CASES))

    def test_the_number_of_queries_does_not_grow_with_the_cases(self, client, django_assert_num_queries):
        client.get(CASES)
        for number in range(60):
            AnomalyFactory(case=CaseFactory(priority=40.0 + number, state="claimed", assignee=AnalystFactory()))
        with django_assert_num_queries(8):
            client.get(CASES)

    def test_cases_are_neither_added_nor_edited_by_form(self, client, case):
        assert client.get(CASES + "add/").status_code == 403
        assert client.get(page(case, "delete")).status_code == 403


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
    def test_filters(self, client, query, scores):
        AnomalyFactory(score=45.0, transaction__txn_date=START)
        AnomalyFactory(score=65.0, transaction__txn_date=START + DAY, case=CaseFactory())
        AnomalyFactory(score=85.0, transaction__txn_date=START + 2 * DAY, transaction__currency="USD", reasons=[LARGE])
        listed = client.get(ANOMALIES + query).context["cl"].result_list
        assert sorted(anomaly.score for anomaly in listed) == scores

    def test_a_filter_that_cannot_be_read_says_so(self, client):
        assert "Dates like 2026-03-31, please." in text_of(client.get(ANOMALIES + "?txn_date_from=1.2.2024"))

    def test_applying_the_form_keeps_the_links_and_the_search(self, client):
        AnomalyFactory()
        text = text_of(client.get(ANOMALIES + "?level=medium&q=x&score_from=1"))
        text = text[text.index('class="c-filter-form"') :]
        assert '<input type="hidden" name="level" value="medium">' in text
        assert '<input type="hidden" name="q" value="x">' in text
        assert '<input type="hidden" name="score_from"' not in text

    def test_the_page_of_one_tells_reasons_features_and_what_it_was_measured_against(self, client):
        anomaly = AnomalyFactory(reasons=[LARGE], features={"amount_over_median": 18.2}, raw=2.5)
        text = text_of(client.get(reverse("admin:anomalies_anomaly_change", args=[anomaly.pk])))
        assert "18.2 times this user" in text
        assert "amount_over_median" in text
        assert str(anomaly.reference_id)[-8:] in text
        assert str(anomaly.transaction_id) in text
        assert "1 in 1,778" in text

    def test_the_number_of_queries_does_not_grow_with_the_anomalies(self, client, django_assert_num_queries):
        client.get(ANOMALIES)
        for _ in range(60):
            AnomalyFactory(case=CaseFactory(), reasons=[LARGE])
        with django_assert_num_queries(7):
            client.get(ANOMALIES)

    def test_what_strangers_wrote_is_shown_as_text(self, client):
        AnomalyFactory(reasons=[FAINT], transaction__meta_data={"merchant_id": HOSTILE})
        text = text_of(client.get(ANOMALIES))
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)" in text


class TestDashboard:
    def test_without_transactions_it_says_how_to_load_some(self, client):
        text = text_of(client.get(reverse("admin:index")))
        assert "No transactions yet" in text
        assert "manage.py load_data --demo" in text

    def test_unscored_transactions_say_how_to_score_them(self, client):
        TransactionFactory()
        assert "Run manage.py score" in text_of(client.get(reverse("admin:index")))

    def test_the_figures_are_those_of_the_data(self, client, settings):
        settings.ALERT_BUDGET = 7
        reference = ReferenceFactory(until=START + DAY)
        for score, days in ((85.0, 0), (65.0, 0), (45.0, 2), (90.0, -31)):
            AnomalyFactory(score=score, reasons=[LARGE], transaction__txn_date=START + days * DAY, reference=reference)
        CaseFactory(priority=85.0, since=START - 14 * DAY)
        CaseFactory(state="claimed", since=START - 13 * DAY)
        CaseFactory(state="closed", since=START - 13 * DAY)
        PendingScore.objects.create(user_id=uuid4(), since=START)
        VerdictFactory(value="fraud")
        VerdictFactory(value="fraud", known_at=timezone.now() - 15 * DAY)
        board = client.get(reverse("admin:index")).context["board"]
        assert board.levels == [("high", 1), ("medium", 1), ("low", 1)]
        assert board.queue == {"todo": 2, "claimed": 1, "high": 1}
        assert {column.day: column.total for column in board.anomalies.columns if column.total} == {
            START.date(): 2,
            (START + 2 * DAY).date(): 1,
        }
        assert {column.day: column.total for column in board.cases.columns if column.total} == {
            START.date(): 1,
            (START + DAY).date(): 2,
        }
        assert [(reason.code, reason.times) for reason in board.reasons] == [("amount_over_median", 3)]
        assert (board.pending, board.alert_budget) == ((1, True), 7)
        assert board.reference_lag == DAY
        assert board.verdicts == [("fraud", 1)]
        assert board.threshold == 40.0

    def test_cases_are_counted_on_the_day_of_the_payment_that_opened_them(self):
        record([finding(user=uuid4(), score=80.0, at=START)], threshold=60.0)
        assert dashboard.daily_cases(START.date()) == {START.date(): {"cases": 1}}

    def test_it_takes_a_bounded_number_of_queries(self, client, django_assert_max_num_queries):
        for number in range(40):
            AnomalyFactory(case=CaseFactory(), transaction__txn_date=START + number * DAY, reasons=[LARGE])
        with django_assert_max_num_queries(18):
            client.get(reverse("admin:index"))

    def test_transactions_are_estimated_where_counting_them_would_cost(
        self, client, monkeypatch, django_assert_max_num_queries
    ):
        TransactionFactory()
        monkeypatch.setattr(estimates, "COUNTING_COST", 0.0)
        with django_assert_max_num_queries(18) as captured:
            client.get(reverse("admin:index"))
        about = [query["sql"] for query in captured.captured_queries if '"transactions"' in query["sql"]]
        assert [sql.split()[0] for sql in about] == ["EXPLAIN"]

    def test_who_may_not_see_cases_sees_no_figures(self):
        nobody = Client()
        nobody.force_login(AnalystFactory())
        response = nobody.get(reverse("admin:index"))
        assert "board" not in response.context
        assert "Nothing for you here yet" in text_of(response)

    def test_its_links_lead_to_what_they_count(self, client):
        AnomalyFactory(score=85.0, reasons=[LARGE], case=CaseFactory(priority=85.0))
        text = text_of(client.get(reverse("admin:index")))
        for link in (
            f"{ANOMALIES}?level=high&amp;txn_date_from=2024-05-03",
            f"{ANOMALIES}?reason=amount_over_median&amp;txn_date_from=",
            f"{ANOMALIES}?txn_date_from=2024-06-01&amp;txn_date_to=2024-06-01",
            f"{CASES}?level=high",
        ):
            assert link in text


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


def test_scores_of_a_hundred_are_high(client):
    AnomalyFactory(score=100.0)
    assert len(client.get(ANOMALIES + "?level=high").context["cl"].result_list) == 1


def test_the_policy_is_strict_but_for_what_the_admin_needs(client):
    strict = Client().get("/nowhere/").headers["Content-Security-Policy"]
    relaxed = client.get(reverse("admin:index")).headers["Content-Security-Policy"]
    assert "unsafe" not in strict
    assert "script-src 'self' 'unsafe-eval'" in relaxed
    assert "script-src 'self' 'unsafe-eval' 'unsafe-inline'" not in relaxed
    assert "style-src 'self' 'unsafe-inline'" in relaxed
