"""Compiled code is kept by the state of its sources, where somebody may write."""

import os
import sys
from pathlib import Path

import pytest

from anomaly_server.compiled import SOURCES, is_open, keep_in, state_of
from tests.anomaly_server.programs import ROOT, run


def test_another_constant_is_another_state(tmp_path: Path) -> None:
    (tmp_path / "amounts.py").write_text("MINIMUM_PAST = 8\n")
    before = state_of(tmp_path)
    assert state_of(tmp_path) == before
    (tmp_path / "amounts.py").write_text("MINIMUM_PAST = 9\n")
    after = state_of(tmp_path)
    assert after != before
    (tmp_path / "amounts.py").rename(tmp_path / "spell.py")
    assert state_of(tmp_path) not in (before, after)


def test_it_is_kept_below_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "that of another program")
    keep_in(tmp_path / "new")
    assert Path(os.environ["NUMBA_CACHE_DIR"]).parent == tmp_path / "new"
    # It is made by whoever compiles, and not by every command.
    assert not (tmp_path / "new").exists()


def test_where_nobody_may_write_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "that of another program")
    file = tmp_path / "file"
    file.touch()
    assert not is_open(file / "below")
    keep_in(file)
    assert "NUMBA_CACHE_DIR" not in os.environ


def test_a_start_reads_what_an_earlier_one_has_kept() -> None:
    start()
    kept = {file: file.stat().st_mtime_ns for file in (ROOT / "var" / "compiled" / state_of(SOURCES)).rglob("*.nb?")}
    assert any("of_rows" in file.name for file in kept)
    start()
    assert all(file.stat().st_mtime_ns == written for file, written in kept.items())


# The functions that are called from Python, and for how many kinds of arguments each is compiled.
TELL = """
from anomaly_server import compiled
compiled.main()
from scoring import last_row, last_rows, last_score, last_visits
for one in (
    last_rows.laid, last_row.of_rows, last_visits.of_payments, last_score.surprises_of, last_score.contributions_of
):
    print(one.__name__, len(one.signatures))
"""


def start() -> str:
    ended = run(sys.executable, "-c", TELL)
    assert ended.stdout.count(" 1\n") == 5, ended.stderr
    return ended.stdout
