"""The dashboard: the figures are those of the data, few queries make them, and each leads to what it counts."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from anomalies import estimates
from anomalies.admin import dashboard
from anomalies.models import PendingScore
from anomalies.record import record
from tests.anomalies.findings import LARGE, finding
from tests.factories import (
    START,
    AnalystFactory,
    AnomalyFactory,
    CaseFactory,
    ReferenceFactory,
    TransactionFactory,
)

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
CASES = reverse("admin:anomalies_case_changelist")
ANOMALIES = reverse("admin:anomalies_anomaly_changelist")


def text_of(response) -> str:
    return response.content.decode()


class TestDashboard:
    def test_without_transactions_it_says_how_to_load_some(self, desk):
        text = text_of(desk.get(reverse("admin:index")))
        assert "No transactions yet" in text
        assert "manage.py load_data --demo" in text

    def test_unscored_transactions_say_how_to_score_them(self, desk):
        TransactionFactory()
        assert "Run manage.py score" in text_of(desk.get(reverse("admin:index")))

    def test_the_figures_are_those_of_the_data(self, desk, settings):
        settings.ALERT_BUDGET = 7
        reference = ReferenceFactory(until=START + DAY)
        for score, days in ((85.0, 0), (65.0, 0), (45.0, 2), (90.0, -31)):
            AnomalyFactory(score=score, reasons=[LARGE], transaction__txn_date=START + days * DAY, reference=reference)
        CaseFactory(priority=85.0, since=START - 14 * DAY)
        CaseFactory(state="claimed", since=START - 13 * DAY)
        CaseFactory(state="closed", since=START - 13 * DAY)
        PendingScore.objects.create(user_id=uuid4(), since=START)
        board = desk.get(reverse("admin:index")).context["board"]
        assert board.levels == [("high", 1), ("medium", 1), ("low", 1)]
        assert board.queue[:3] == (2, 1, 1)
        assert [bar.times for bar in board.ages] == [2, 0, 0, 0, 0]
        assert {column.day: column.total for column in board.anomalies.columns if column.total} == {
            START.date(): 2,
            (START + 2 * DAY).date(): 1,
        }
        assert {column.day: column.total for column in board.cases.columns if column.total} == {
            START.date(): 1,
            (START + DAY).date(): 2,
        }
        assert [(reason.code, reason.times) for reason in board.reasons] == [("amount_over_median", 3)]
        assert (board.scoring.users, board.scoring.rows, board.scoring.oldest) == (1, 0, START)
        assert board.scoring.reference_until == START + DAY
        assert board.reference_lag == DAY
        assert board.budget == (7, 40.0)

    def test_cases_are_counted_on_the_day_of_the_payment_that_opened_them(self):
        record([finding(user=uuid4(), score=80.0, at=START)], threshold=60.0)
        assert dashboard.daily_cases(START.date()) == {START.date(): {"cases": 1}}

    def test_it_takes_a_bounded_number_of_queries(self, desk, django_assert_max_num_queries):
        for number in range(40):
            AnomalyFactory(case=CaseFactory(), transaction__txn_date=START + number * DAY, reasons=[LARGE])
        with django_assert_max_num_queries(18):
            desk.get(reverse("admin:index"))

    def test_transactions_are_estimated_where_counting_them_would_cost(
        self, desk, monkeypatch, django_assert_max_num_queries
    ):
        TransactionFactory()
        monkeypatch.setattr(estimates, "COUNTING_COST", 0.0)
        with django_assert_max_num_queries(18) as captured:
            desk.get(reverse("admin:index"))
        about = [query["sql"] for query in captured.captured_queries if '"transactions"' in query["sql"]]
        assert [sql.split()[0] for sql in about] == ["EXPLAIN"]

    def test_the_charts_show_the_days_asked_for(self, desk):
        AnomalyFactory(case=CaseFactory())
        days = {
            asked: len(desk.get(f"/admin/?days={asked}").context["board"].cases.columns) for asked in ("14", "30", "x")
        }
        assert days == {"14": 14, "30": 30, "x": 30}

    def test_the_budget_is_a_line_across_the_new_cases(self, desk, settings):
        settings.ALERT_BUDGET = 3
        AnomalyFactory()
        CaseFactory.create_batch(2, since=START - 14 * DAY)
        assert desk.get("/admin/").context["board"].cases.limit.value == 3
        settings.ALERT_BUDGET = 1_000
        assert desk.get("/admin/").context["board"].cases.limit is None

    def test_who_may_not_see_cases_sees_no_figures(self):
        nobody = Client()
        nobody.force_login(AnalystFactory())
        response = nobody.get(reverse("admin:index"))
        assert "board" not in response.context
        assert "Nothing for you here yet" in text_of(response)

    def test_its_links_lead_to_what_they_count(self, desk):
        AnomalyFactory(score=85.0, reasons=[LARGE], case=CaseFactory(priority=85.0))
        text = text_of(desk.get(reverse("admin:index")))
        for link in (
            f"{ANOMALIES}?level=high&amp;txn_date_from=2024-05-03",
            f"{ANOMALIES}?reason=amount_over_median&amp;txn_date_from=",
            f"{ANOMALIES}?txn_date_from=2024-06-01&amp;txn_date_to=2024-06-01",
            f"{CASES}?level=high",
        ):
            assert link in text
