"""`manage.py evaluate` of several models side by side, and of verdicts that count from when they were known."""

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from anomalies import model_versions, references
from anomalies.models import Reference, Verdict
from tests.transactions.evaluations import FIRST, LAST, PERIOD, evaluated, refused, stored_frauds, written
from transactions import promotion, rows
from transactions.models import Transaction

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def labelled(monkeypatch: pytest.MonkeyPatch) -> list[rows.Row]:
    monkeypatch.setattr(references, "_known", references._Known())
    return stored_frauds()


def noon(day: datetime | object) -> datetime:
    return datetime.combine(day, time(12), tzinfo=UTC)  # type: ignore[arg-type]


def judged(row: rows.Row, value: str, known_at: datetime, source: str = "analyst") -> None:
    Verdict.objects.create(transaction_id=row.id, user_id=row.user_id, value=value, known_at=known_at, source=source)


class TestModels:
    def test_one_with_the_same_weights_has_the_same_figures_and_another_has_others(
        self, labelled: list[rows.Row], tmp_path: Path
    ) -> None:
        model_versions.add("twin", {}, by=None)
        model_versions.add("night", {"own_amount": 0, "population_amount": 0, "spell": 0, "hour": 5}, by=None)
        before = Reference.objects.count()
        told = evaluated("--labels", written(tmp_path / "labels.csv", labelled), *PERIOD, "--cards=5", "--budget=2")
        (all_kinds,) = told["kinds"]
        scorers = all_kinds["scorers"]
        assert list(scorers) == ["server", "twin", "night", "rolling mean", "rolling-mean rule"]
        assert scorers["twin"] == scorers["server"]
        assert scorers["night"]["auc"]["value"] < scorers["server"]["auc"]["value"]
        assert told["shares"]["twin"] == told["shares"]["server"] != told["shares"]["night"]
        # A score means the same, whatever the weights: the references are each model's own.
        assert told["shares"]["night"]["all"]["20"] == pytest.approx(0.1, rel=0.4)
        assert [model["evaluated_as"] for model in told["models"]] == ["server", "twin", "night"]
        # It only reads.
        assert Reference.objects.count() == before

    def test_only_the_models_that_are_named_are_measured(self, labelled: list[rows.Row], tmp_path: Path) -> None:
        for name in ("one", "two", "old"):
            model_versions.add(name, {"hour": 2}, by=None)
        model_versions.retire("old", by=None)
        given = ("--labels", written(tmp_path / "labels.csv", labelled), *PERIOD, "--resamples=0")
        (all_kinds,) = evaluated(*given, "--model=two", "--model=old", "--model=two")["kinds"]
        assert list(all_kinds["scorers"]) == ["two", "old", "rolling mean", "rolling-mean rule"]
        assert all_kinds["scorers"]["two"]["auc"] == all_kinds["scorers"]["old"]["auc"]
        told = evaluated(*given)
        assert list(told["kinds"][0]["scorers"])[:3] == ["server", "one", "two"]
        assert {"name": "old", "state": "retired", "evaluated_as": ""} in told["models"]
        assert refused(*given, "--model=none") == (
            "There is no model 'none'. The models are: surprise-1, one, two, old.", 2,
        )  # fmt: skip

    def test_what_goes_live_is_the_server_and_measured_over_the_whole_period(
        self, labelled: list[rows.Row], tmp_path: Path
    ) -> None:
        model_versions.add("night", {"own_amount": 0, "hour": 5}, by=None)
        given = ("--labels", written(tmp_path / "labels.csv", labelled), *PERIOD, "--resamples=0")
        before = evaluated(*given)["kinds"][0]["scorers"]
        promotion.promote("night", by=None)
        after = evaluated(*given, "--model=night", "--model=surprise-1")["kinds"][0]["scorers"]
        assert after["server"] == before["night"]
        assert after["surprise-1"] == before["server"]

    def test_the_table_and_the_report_name_every_model(self, labelled: list[rows.Row], tmp_path: Path) -> None:
        model_versions.add("a-model-with-quite-a-long-name", {"hour": 2}, by=None)
        out, path = io.StringIO(), tmp_path / "report.html"
        labels = written(tmp_path / "labels.csv", labelled)
        call_command(
            "evaluate", f"--labels={labels}", *PERIOD, "--resamples=0", f"--html={path}",
            stdout=out, stderr=io.StringIO(),
        )  # fmt: skip
        found = re.findall(r"^(  (?:server|a-model)\S* +)\d\.\d{3}", out.getvalue(), re.MULTILINE)
        assert len(found) == 2
        assert len(found[0]) == len(found[1])
        assert "above a score of a-model-with-quite-a-long-name, all" in out.getvalue().replace("at or ", "")
        assert path.read_text().count("a-model-with-quite-a-long-name") > 4


class TestVerdicts:
    def test_without_a_file_the_last_ones_are_the_truth(self, labelled: list[rows.Row]) -> None:
        moment = iter(timezone.now() - timedelta(hours=number) for number in range(99, 0, -1))
        for row in labelled[:4]:
            judged(row, "fraud", next(moment))
        for row, value in zip(labelled, ("legitimate", Verdict.WITHDRAWN, "unsure"), strict=False):
            judged(row, value, next(moment))
        judged(labelled[3], "fraud", next(moment), source="chargeback")
        told = evaluated(*PERIOD)
        assert (told["labels"], told["kinds"][0]["frauds"]) == ("verdicts", 1)
        assert told["period"]["delay_days"] is None

    def test_one_that_is_not_known_yet_is_none(self, labelled: list[rows.Row]) -> None:
        judged(labelled[0], "fraud", timezone.now() - DAY)
        for row in labelled[1:3]:
            judged(row, "fraud", timezone.now() + DAY)
        judged(labelled[0], "legitimate", timezone.now() + DAY)
        assert evaluated(*PERIOD)["kinds"][0]["frauds"] == 1

    def test_a_user_leaves_with_the_day_after_it_became_known(self, labelled: list[rows.Row]) -> None:
        fraud = labelled[0]
        assert fraud.txn_date.date() < LAST - 3 * DAY
        known = fraud.txn_date + DAY
        judged(fraud, "fraud", known)
        expected = of_user_after(fraud, known)
        assert expected > 0
        assert evaluated(*PERIOD)["left_out"] == expected
        # That it was said again, later, changes nothing.
        judged(fraud, "fraud", known + 3 * DAY, source="chargeback")
        assert evaluated(*PERIOD)["left_out"] == expected

    def test_one_known_after_the_period_takes_nobody_out(self, labelled: list[rows.Row]) -> None:
        judged(labelled[0], "fraud", noon(LAST + DAY))
        assert evaluated(*PERIOD)["left_out"] == 0

    def test_a_delay_that_is_given_counts_instead(self, labelled: list[rows.Row]) -> None:
        fraud = labelled[0]
        judged(fraud, "fraud", noon(LAST + DAY))
        told = evaluated(*PERIOD, "--delay-days=2")
        assert told["left_out"] == of_user_after(fraud, fraud.txn_date + 2 * DAY) > 0
        assert told["period"]["delay_days"] == 2

    def test_an_old_fraud_that_became_known_just_before_takes_its_user_out(self, labelled: list[rows.Row]) -> None:
        judged(labelled[0], "fraud", noon(LAST))
        user = labelled[1].user_id
        (old,) = [row for row in first_rows(user) if row.txn_date.date() < FIRST - 25 * DAY]
        for known, is_out in ((FIRST - 7 * DAY, True), (FIRST - 8 * DAY, False)):
            Verdict.objects.filter(transaction_id=old.id).delete()
            Verdict.objects.create(transaction_id=old.id, user_id=user, value="fraud", known_at=noon(known))
            gone = Transaction.objects.filter(user_id=user, txn_date__date__range=(FIRST, LAST)).count()
            assert evaluated(*PERIOD, "--resamples=0")["left_out"] == (gone if is_out else 0)
        assert gone > 0


def of_user_after(fraud: rows.Row, known: datetime) -> int:
    """How many payments the user made in the period after the day on which the fraud became known."""
    days = (known.date() + DAY, LAST)
    return Transaction.objects.filter(user_id=fraud.user_id, txn_date__date__range=days).count()


def first_rows(user: object) -> Iterator[Transaction]:
    return iter(Transaction.objects.filter(user_id=user).order_by("txn_date", "id")[:1])
