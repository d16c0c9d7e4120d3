"""`manage.py evaluate` on a month of made-up traffic: what it finds, what it prints, what it refuses."""

import gzip
import io
import re
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from django.core.management import call_command

from tests.transactions import traffic
from tests.transactions.evaluations import FIRST, LAST, PERIOD, evaluated, refused, stored_frauds, written
from transactions import intake, rows
from transactions.loading.shape import identifier
from transactions.models import Transaction

pytestmark = pytest.mark.django_db


@pytest.fixture
def labelled() -> list[rows.Row]:
    return stored_frauds()


def test_planted_frauds_rank_high_beside_the_rule(labelled: list[rows.Row], tmp_path: Path) -> None:
    told = evaluated("--labels", written(tmp_path / "labels.csv", labelled), *PERIOD, "--cards=5", "--budget=2")
    (all_kinds,) = told["kinds"]
    assert (all_kinds["name"], all_kinds["frauds"], all_kinds["users"]) == ("all", 8, 8)
    server, mean, rule = (all_kinds["scorers"][name] for name in ("server", "rolling mean", "rolling-mean rule"))
    assert server["auc"]["value"] > 0.95
    assert server["ap"]["low"] <= server["ap"]["value"] <= server["ap"]["high"]
    assert server["cp"]["value"] <= all_kinds["ceiling"] <= 8 / 50
    assert server["recall"]["value"] > 0.6
    assert mean["auc"]["value"] > 0.9
    assert set(rule) == {"recall", "precision"}
    assert told["period"] == {"from": str(FIRST), "to": str(LAST), "delay_days": 7}
    assert told["models"] == [{"name": "surprise-1", "state": "live", "evaluated_as": "server"}]


def test_each_kind_is_measured_apart(labelled: list[rows.Row], tmp_path: Path) -> None:
    told = evaluated("--labels", written(tmp_path / "labels.csv", labelled), "--kind=kind", *PERIOD)
    assert [(kind["name"], kind["frauds"]) for kind in told["kinds"]] == [("all", 8), ("a", 4), ("b", 4)]
    assert all(kind["scorers"]["server"]["auc"]["value"] > 0.9 for kind in told["kinds"])


def test_slices_of_users_make_no_difference(
    labelled: list[rows.Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("--labels", written(tmp_path / "labels.csv", labelled), *PERIOD)
    whole = evaluated(*arguments)
    monkeypatch.setattr("transactions.evaluating.gather.USERS_AT_ONCE", 7)
    assert evaluated(*arguments) == whole


def test_users_known_to_be_compromised_leave(labelled: list[rows.Row], tmp_path: Path) -> None:
    arguments = ("--labels", written(tmp_path / "labels.csv", labelled), *PERIOD)
    late, soon = evaluated(*arguments, "--delay-days=20"), evaluated(*arguments, "--delay-days=0")
    assert late["left_out"] == 0
    assert soon["left_out"] > 0
    assert soon["transactions"] + soon["left_out"] == late["transactions"]


def test_foreign_ids_are_found_as_load_data_made_them(labelled: list[rows.Row], tmp_path: Path) -> None:
    row, number = labelled[0], "4711"
    # The same payment under the id that load_data gives to 4711.
    known = replace(row, id=UUID(identifier("shop", number)))
    Transaction.objects.filter(id=row.id).delete()
    intake.take([known], score=False)
    path = tmp_path / "labels.csv.gz"
    path.write_bytes(gzip.compress(f"ORDER,IS_FRAUD\n{number},1\n4712,0\n".encode()))
    options = ("--labels", path, "--id=ORDER", "--fraud-column=IS_FRAUD", *PERIOD)
    assert evaluated(*options, "--namespace=shop")["kinds"][0]["frauds"] == 1
    sentence, code = refused(*options)
    assert ("'4711' in ORDER is no UUID" in sentence, code) == (True, 2)


def test_the_table_and_the_report_say_the_same(labelled: list[rows.Row], tmp_path: Path) -> None:
    path, out = tmp_path / "report.html", io.StringIO()
    labels = written(tmp_path / "labels.csv", labelled)
    call_command(
        "evaluate", f"--labels={labels}", "--kind=kind", *PERIOD, "--resamples=20", f"--html={path}",
        stdout=out, stderr=io.StringIO(),
    )  # fmt: skip
    page = path.read_text()
    figures = re.findall(r"\d\.\d{3} \(\d\.\d{3}–\d\.\d{3}\)", out.getvalue())
    assert len(figures) > 20
    assert all(figure in page for figure in figures)
    assert page.count("<svg") == 2
    assert "currentColor" in page
    # Names of XML vocabularies look like addresses, but nothing loads them.
    assert set(re.findall(r"""(?:src|href)=["'](?!#)""", page)) == set()
    assert set(re.findall(r"https?://[\w.]+", page)) <= {"http://www.w3.org"}
    used = set(re.findall(r'(?:url\(|href=")#([^)"]+)', page))
    assert used <= set(re.findall(r'\bid="([^"]+)"', page))


def test_what_cannot_be_measured_is_one_sentence(labelled: list[rows.Row], tmp_path: Path) -> None:
    labels = written(tmp_path / "labels.csv", labelled)
    given = ("--labels", labels)
    assert refused(*given, "--from=2031-01-01", "--to=2031-01-02") == (
        "There are no transactions from 2031-01-01 to 2031-01-02.", 1,
    )  # fmt: skip
    sentence, code = refused(*given, f"--from={traffic.START.date()}", f"--to={traffic.START.date()}")
    assert (sentence.startswith("None of the 8 frauds"), code) == (True, 1)
    assert refused() == ("No verdict says fraud: give some in the console, or name a file with --labels.", 1)
    sentence, code = refused("--labels", tmp_path / "none.csv")
    assert ("cannot be read: No such file" in sentence, code) == (True, 1)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--id=other",), "has no column 'other' (--id). Its columns are: transaction_id, kind."),
        (("--kind=other",), "has no column 'other' (--kind)"),
        (("--fraud-column=kind",), "says neither fraud (1) nor none (0)"),
        (("--from=2031-01-02", "--to=2031-01-01"), "--from is after --to."),
        (("--html=/no/such/folder/report.html",), "there is no folder /no/such/folder"),
    ],
)
def test_wrong_use_is_one_sentence(tmp_path: Path, options: tuple[str, ...], told: str) -> None:
    stored = traffic.rows(20)
    intake.take(stored, score=False)
    sentence, code = refused("--labels", written(tmp_path / "labels.csv", stored), *options)
    assert told in sentence
    assert code == 2


def test_options_of_files_need_a_file() -> None:
    intake.take(traffic.rows(20), score=False)
    assert refused("--kind=kind") == ("--kind tells how to read a file: add --labels FILE.", 2)


def test_an_empty_server_says_so(tmp_path: Path) -> None:
    sentence, code = refused("--labels", tmp_path / "labels.csv")
    assert (sentence.startswith("There are no transactions"), code) == (True, 1)


def test_without_a_reference_there_is_nothing_to_measure(tmp_path: Path) -> None:
    stored = traffic.rows(500)
    intake.take(stored, score=False)
    fraud = next(row for row in stored if row.txn_date.date() >= FIRST)
    sentence, code = refused("--labels", written(tmp_path / "labels.csv", [fraud]), *PERIOD)
    assert (sentence.startswith("No reference was in force"), code) == (True, 1)
