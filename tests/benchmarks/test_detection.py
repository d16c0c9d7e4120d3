"""The protocol of the detection benchmark, on rows made by hand."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import detection
from benchmarks.detection import HANDBOOK, TARGETS, Labelled, Period, judged, metrics, read
from scoring import Columns
from tests.scoring.histories import DAY_US, population


def labelled(*rows: tuple[int, int, bool]) -> Labelled:
    """Rows as (card, day, fraud)."""
    card, day, fraud = (np.array(column) for column in zip(*rows, strict=True))
    order = np.lexsort((day, card))
    none = np.zeros(len(card), np.int64)
    columns = Columns(card[order], day[order] * DAY_US, none, none.astype(np.int32), none.astype(np.bool_))
    return Labelled(columns, fraud[order])


def test_a_card_leaves_the_test_once_its_fraud_is_seven_days_old() -> None:
    data = labelled((1, 92, True), (1, 100, False), (1, 106, True), (2, 95, True), (2, 102, False), (2, 104, False))
    rows = judged(data, 100, 7)
    assert list(zip(data.columns.user[rows], data.day[rows], strict=True)) == [(2, 102)]


def test_frauds_from_before_the_training_period_are_forgotten() -> None:
    data = labelled((1, 85, True), (1, 100, False), (2, 86, True), (2, 100, False))
    assert data.columns.user[judged(data, 100, 7)].tolist() == [1]


def test_metrics_need_scores_and_labels_only() -> None:
    data = labelled((1, 0, True), (2, 0, False), (3, 0, False))
    rows = np.ones(3, np.bool_)
    assert metrics(np.array([3.0, 2.0, 1.0]), data, rows) == {"auc": 1, "ap": 1, "cp@100": 0.01}


def test_files_are_read_in_the_order_of_users_and_time(tmp_path: Path) -> None:
    header = "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT\n"
    rows = ["11,2018-05-01 00:00:31,9,1,0.29", "12,2018-05-01 00:00:30,9,1,4.35", "13,2018-05-02 10:00:00,7,1,81.51"]
    with gzip.open(tmp_path / "transactions-2018-05.csv.gz", "wt") as file:
        file.write(header + "\n".join(rows))
    with gzip.open(tmp_path / "frauds.csv.gz", "wt") as file:
        file.write("TRANSACTION_ID,TX_FRAUD,TX_FRAUD_SCENARIO\n12,1,2\n")
    data = read(tmp_path, HANDBOOK)
    assert data.fraud.sum() == 1
    at_fraud = int(np.flatnonzero(data.fraud)[0])
    assert data.columns.minor[at_fraud] == 435
    assert data.columns.minor[at_fraud + 1] == 29
    assert np.diff(data.columns.user).tolist().count(0) == 1
    assert data.columns.merchant.tolist() == [1, 1, 1]
    assert not data.columns.category.any()
    assert data.hidden is not None
    assert np.flatnonzero(data.hidden).tolist() == [at_fraud]


def test_the_ceiling_knows_the_frauds_that_are_not_hidden() -> None:
    known = labelled((1, 0, True), (2, 0, True), (3, 0, False), (4, 0, False))
    rows = np.array([True, True, False, True])
    assert detection.ceiling(known, rows) == {}
    hidden = replace(known, hidden=np.array([False, True, False, False]))
    (ranking,) = detection.ceiling(hidden, rows).values()
    assert ranking.tolist() == [1, 0, 0]


def test_without_data_the_benchmark_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ANOMALY_DATA", raising=False)
    monkeypatch.setattr("sys.argv", ["detection"])
    assert detection.main() == 0
    assert "ANOMALY_DATA is not set" in capsys.readouterr().out


def test_the_table_has_a_line_for_each_period_and_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "RIVALS", {"amount alone": lambda _past, now: now[:, 0]})
    columns = population(users=40)
    day = columns.at_us // DAY_US
    data = Labelled(columns, np.random.default_rng(0).random(len(columns)) < 0.02)
    start = str(np.datetime64(int(day.min()) + 60, "D"))
    features = detection.scoring.build(columns)
    rolling = detection.baseline.amount_over_mean(columns)
    period = detection.judge(data, features, rolling, start=start, days=14)
    lines = list(detection.table([period]))
    assert start in lines[0]
    assert lines[0].endswith("mean")
    assert [line.split("  ")[0] for line in lines[1:5]] == ["ours", "rolling mean", "amount alone", "amount alone raw"]
    assert set(period.metrics) == {"ours", "rolling mean", "amount alone", "amount alone raw"}


def period_of(start: str, **average_precision: float) -> Period:
    """A period in which each scorer has this average precision and an AUC of 0.9."""
    found = {name: {"auc": 0.9, "ap": value} for name, value in average_precision.items()}
    return Period(start=start, rows=1, frauds=1, share_at={}, metrics=found)


def test_targets_are_judged_by_what_was_measured() -> None:
    weeks = [
        period_of("2018-08-01", ours=0.3, IsolationForest=0.2, ECOD=0.25),
        period_of("2018-08-08", ours=0.2, IsolationForest=0.2, ECOD=0.1),
    ]
    told = list(detection.verdicts(weeks, TARGETS["handbook"]))
    assert [line.rsplit(": ", 1)[1] for line in told] == ["reached", "reached", "not reached", "not reached"]
    assert "ECOD's: 1.429, at least 1.5 aimed at" in told[2]
    (unmeasured,) = detection.verdicts(weeks[:1], TARGETS["handbook"][3:])
    assert unmeasured.endswith("not measured")
    assert list(detection.ratios(weeks)) == [
        "AP, ours / IsolationForest: 1.50 1.00; means 1.25",
        "AP, ours / ECOD: 1.20 2.00; means 1.43",
    ]
    assert [line.rsplit(": ", 1)[1] for line in detection.verdicts(weeks, TARGETS["sparkov"])] == [
        "not reached", "not reached", "reached", "reached"
    ]  # fmt: skip
