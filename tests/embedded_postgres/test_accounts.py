"""Several operating-system users, and root, who must not run PostgreSQL himself."""

import multiprocessing
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anomaly_server.embedded_postgres import binaries, place, server
from anomaly_server.embedded_postgres.errors import EmbeddedPostgresError
from tests.embedded_postgres import children

# From Python 3.12 on; the child changes its user and touches no thread's state.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
AS_ROOT = os.geteuid() == 0
# Every Debian has them.
ANN, BOB = (pwd.getpwnam(name) for name in ("daemon", "nobody"))


def as_user(user: pwd.struct_passwd, function: Callable[..., Any], *arguments: object) -> Any:
    """What `function` returns or raises in a process of the user; only root can try, others stay who they are.

    A fork, because another user may not be able to read this checkout's files.
    """
    if not AS_ROOT:
        return function(*arguments)
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_change_user_and_call, args=(sending, user, function, arguments))
    process.start()
    answer = receiving.recv()
    process.join()
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _change_user_and_call(sending: Any, user: pwd.struct_passwd, function: Callable[..., Any], arguments: Any) -> None:
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    try:
        sending.send(function(*arguments))
    except BaseException as error:
        sending.send(error)


def pid_of_running(home: Path) -> int:
    return server.running(home, durable=False).pid


def somebody_elses(empty: Path, template: Path) -> Path:
    """A cluster's home that belongs to another user than this test's, or than BOB where root runs it."""
    if AS_ROOT:
        belongs_to(ANN, template, empty)
        return empty
    # An ordinary user can give nothing away, but root's folders are everywhere.
    return Path("/usr/sbin")


def belongs_to(user: pwd.struct_passwd, template: Path, home: Path) -> None:
    subprocess.run(["cp", "-a", template, home], check=True)
    subprocess.run(["chown", "-R", f"{user.pw_uid}:{user.pw_gid}", home], check=True)
    home.chmod(0o700)


def test_a_second_user_is_told_whose_the_data_are(template: Path, empty: Path) -> None:
    home = somebody_elses(empty, template)
    before = sorted(path.name for path in home.iterdir())
    with pytest.raises(EmbeddedPostgresError, match="EMBEDDED_POSTGRES_DIR") as told:
        as_user(BOB, pid_of_running, home)
    if AS_ROOT:
        assert "belongs to daemon, and you are nobody" in str(told.value)
    assert sorted(path.name for path in home.iterdir()) == before


def test_a_second_user_is_told_so_while_the_first_ones_server_runs(home: Path) -> None:
    pid = pid_of_running(home)
    if AS_ROOT:
        with pytest.raises(EmbeddedPostgresError, match="belongs to"):
            as_user(BOB, pid_of_running, home)
    assert server.running(home).pid == pid


def test_root_runs_an_ordinary_users_data_as_that_user(template: Path, empty: Path) -> None:
    if not AS_ROOT:
        pid_of_running(empty)
        assert os.geteuid() == (empty / "data").stat().st_uid
        return
    belongs_to(ANN, template, empty)
    found = server.running(empty, durable=False)
    assert found.process.uids().real == ANN.pw_uid
    owners = {path.stat().st_uid for path in (empty, *empty.rglob("*"))}
    assert owners == {ANN.pw_uid}
    # And that user can go on, with the same server and after a stop.
    assert as_user(ANN, pid_of_running, empty) == found.pid
    assert as_user(ANN, server.stop, empty)
    assert as_user(ANN, pid_of_running, empty) != found.pid


def test_an_ordinary_users_first_start_is_all_his_own(empty: Path) -> None:
    empty.mkdir(mode=0o700)
    if AS_ROOT:
        os.chown(empty, ANN.pw_uid, ANN.pw_gid)
    pid = as_user(ANN, pid_of_running, empty)
    assert {path.stat().st_uid for path in empty.rglob("*")} == {empty.stat().st_uid}
    assert server.running(empty).pid == pid


def test_root_opens_no_folder_but_keeps_the_data_elsewhere(
    template: Path, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not AS_ROOT:
        assert place.choose(empty).home == empty
        return
    closed = empty.parent / "root's own"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(place, "STATE", empty.parent / "state")
    configured = closed / "project" / "var" / "postgres"
    try:
        found = server.running(configured, durable=False)
        assert found.place.home == place.elsewhere(configured)
        assert place.existing(configured) == found.place
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        assert [path.name for path in configured.iterdir()] == [place.ELSEWHERE]
        assert str(found.place.home) in (configured / place.ELSEWHERE).read_text()
        assert found.process.uids().real not in (0, os.geteuid())
    finally:
        server.stop(configured)


def test_root_copies_programs_that_its_account_cannot_reach(
    template: Path, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = place.choose(template).account
    if not AS_ROOT:
        assert binaries.folder_for(account) == binaries.program("postgres").parent
        return
    closed = empty.parent / "closed"
    closed.mkdir(mode=0o700)
    packages = binaries.packages()
    for name in (binaries.PACKAGE, f"{binaries.PACKAGE}.libs"):
        shutil.copytree(packages / name, closed / name, symlinks=True, ignore=shutil.ignore_patterns("pginstall"))
    monkeypatch.setattr(binaries, "packages", lambda: closed)
    state = empty.parent / "state"
    monkeypatch.setattr(binaries, "STATE", state)
    with children.connect(empty) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert state in Path(server.running(empty).process.exe()).parents
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert len(list(state.iterdir())) == 1


def test_a_folder_that_may_not_be_written_ends_in_a_sentence(empty: Path) -> None:
    empty.mkdir()
    empty.chmod(0o555)
    with pytest.raises(EmbeddedPostgresError, match="EMBEDDED_POSTGRES_DIR"):
        as_user(BOB, pid_of_running, empty)
