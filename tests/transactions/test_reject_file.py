"""The reject file of a load that is killed between a step on the disk and the commit that tells of it."""

from pathlib import Path

import pytest

from transactions.loading.records import Record
from transactions.loading.rejects import NOTHING, Mark, Reject, RejectFile
from transactions.rows import Problem

REJECT = Reject(Record(line=2, raw="1,x", content=["1", "x"]), [Problem("amount", "not_a_number", "Send a number.")])


class Killed(Exception):
    """Takes the place of SIGKILL: what was done on the disk stays."""


class Commits:
    """The mark as the database would hold it, until the kill: at the commit of number `last`, which arrives or not."""

    def __init__(self, last: int | None = None, *, arrives: bool = True, after: "Commits | None" = None) -> None:
        self.mark = after.mark if after else NOTHING
        self.last, self.arrives, self.count = last, arrives, 0

    def keep(self, mark: Mark) -> None:
        self.count += 1
        if self.count != self.last or self.arrives:
            self.mark = mark
        if self.count == self.last:
            raise Killed


def rejects_of(folder: Path) -> RejectFile:
    return RejectFile([folder / "rows.rejects.csv"], ["id", "amount"], is_csv=True)


def load(folder: Path, commits: Commits, *, bad: bool) -> None:
    """What a load does with its reject file."""
    rejects = rejects_of(folder)
    try:
        rejects.begin(commits.mark, commits.keep)
        if bad:
            commits.keep(rejects.append([REJECT]))
        else:
            rejects.remove(commits.keep)
    finally:
        rejects.close()


@pytest.mark.parametrize("bad", [True, False])
@pytest.mark.parametrize("arrives", [True, False])
@pytest.mark.parametrize("last", [1, 2, 3, 4])
def test_a_killed_load_leaves_no_file_that_the_next_does_not_know(
    tmp_path: Path, last: int, *, arrives: bool, bad: bool
) -> None:
    killed = Commits(last, arrives=arrives)
    try:
        load(tmp_path, killed, bad=bad)
        assert (bad, last) == (True, 4)
    except Killed:
        assert killed.count == last
    again = Commits(after=killed)
    load(tmp_path, again, bad=bad)
    known = tmp_path / "rows.rejects.csv"
    assert [*tmp_path.iterdir()] == ([known] if bad else [])
    assert again.mark.path == (str(known) if bad else "")


def test_what_somebody_has_written_under_a_name_that_was_taken_stays(tmp_path: Path) -> None:
    killed = Commits(1)
    with pytest.raises(Killed):
        load(tmp_path, killed, bad=True)
    assert killed.mark.path == str(tmp_path / "rows.rejects.csv")
    theirs = tmp_path / "rows.rejects.csv"
    theirs.write_text("theirs")
    again = Commits(after=killed)
    load(tmp_path, again, bad=True)
    assert theirs.read_text() == "theirs"
    assert again.mark.path == str(tmp_path / "rows.rejects.2.csv")
