"""What crashes, reboots and people leave behind, each injected."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from anomaly_server.embedded_postgres import binaries, configuration, processes, roles, server
from anomaly_server.embedded_postgres.errors import EmbeddedPostgresError
from anomaly_server.embedded_postgres.lock import claimed
from anomaly_server.embedded_postgres.place import Place, existing
from tests.embedded_postgres import children

# As PostgreSQL writes them; the number is to be filled in.
PID_FILE = "{pid}\n{data}\n1700000000\n5432\n{data}\n\n  5432001         0\nready   \n"


def place_of(home: Path) -> Place:
    place = existing(home)
    assert place is not None
    return place


def leave_lock_files(home: Path, pid: int) -> None:
    """The files of a server that was cut off, whose number has gone to the process `pid` since."""
    place = place_of(home)
    for name in ("postmaster.pid", f"{processes.SOCKET}.lock"):
        path = place.data / name
        path.write_text(PID_FILE.format(pid=pid, data=place.data))
        path.chmod(0o600)
        place.account.own(path)


@contextlib.contextmanager
def bystander(home: Path) -> Iterator[psutil.Process]:
    """A program that has nothing to do with PostgreSQL, of the user that runs it."""
    process = subprocess.Popen(["sleep", "60"], **place_of(home).account.run_as())
    try:
        yield psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


def test_a_stale_pid_file_whose_number_was_given_to_another_program(home: Path) -> None:
    with bystander(home) as other:
        leave_lock_files(home, other.pid)
        place = place_of(home)
        # PostgreSQL by itself would refuse, which is what makes this a trap.
        refused = subprocess.run(
            [binaries.folder_for(place.account) / "postgres", "-D", place.data],
            cwd=place.data,
            capture_output=True,
            text=True,
            check=False,
            **place.account.run_as(),
        )
        assert 'lock file "postmaster.pid" already exists' in refused.stderr
        assert server.find(home) is None
        with children.connect(home) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert other.is_running()


def test_a_stale_pid_file_whose_number_was_given_to_another_postgresql(home: Path, installed: Path) -> None:
    other = server.running(installed)
    leave_lock_files(home, other.pid)
    assert server.find(home) is None
    assert server.running(home, durable=False).pid != other.pid
    assert psutil.pid_exists(other.pid)


def test_a_pid_file_cut_off_while_it_was_written(home: Path) -> None:
    (place_of(home).data / "postmaster.pid").write_text("")
    assert server.find(home) is None
    assert server.running(home, durable=False).pid > 0


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("long-" * 25, id="longer than a socket's path may be"),
        pytest.param("a,b", id="comma"),
        pytest.param('it\'s "my" $HOME folder', id="quotes, spaces and a dollar sign"),
        pytest.param("données-交易", id="not ASCII"),
    ],
)
def test_any_path_will_do(template: Path, empty: Path, name: str) -> None:
    home = empty.parent / name / "home"
    home.parent.mkdir(mode=0o711)
    subprocess.run(["cp", "-a", template, home], check=True)
    try:
        with children.connect(home) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        found = server.running(home)
        code, out, err = children.finish(children.starter(home))
        assert (code, out.split()[0], err) == (0, str(found.pid), "")
    finally:
        server.stop(home)
    folder = Path(found.socket_folder)
    if folder != found.place.data:
        assert len(str(folder)) < 60
        assert (folder.stat().st_mode & 0o777, folder.stat().st_uid) == (0o700, found.place.account.uid)
        folder.rmdir()


def test_a_planted_socket_folder_is_refused(template: Path, empty: Path) -> None:
    home = empty.parent / ("long-" * 25)
    subprocess.run(["cp", "-a", template, home], check=True)
    folder = configuration.socket_folder_of(place_of(home))
    try:
        folder.chmod(0o777)
        with pytest.raises(EmbeddedPostgresError, match="is not a private folder"):
            server.running(home)
        assert server.find(home) is None
    finally:
        folder.rmdir()


class Load:
    """Writers that remember which of their commits the server acknowledged."""

    def __init__(self, home: Path, writers: int) -> None:
        self.acknowledged: list[int] = []
        self.threads = [threading.Thread(target=self._write, args=(home, n)) for n in range(writers)]
        for thread in self.threads:
            thread.start()

    def _write(self, home: Path, writer: int) -> None:
        with contextlib.suppress(psycopg.OperationalError), children.connect(home, roles.OWNER) as connection:
            for n in range(10_000_000):
                number = n * 100 + writer
                connection.execute("INSERT INTO load (number) VALUES (%s)", [number])
                self.acknowledged.append(number)

    def wait(self) -> None:
        for thread in self.threads:
            thread.join()


def test_no_acknowledged_commit_is_lost_when_the_server_is_killed_under_load(home: Path) -> None:
    with children.connect(home, roles.OWNER) as connection:
        connection.execute("CREATE TABLE load (number bigint PRIMARY KEY)")
    for _ in range(3):
        found = server.running(home)
        orphan = busy_backend(home)
        load = Load(home, writers=3)
        children.until(lambda load=load: len(load.acknowledged) > 200, "the load")
        found.process.kill()
        load.wait()
        # It outlives its server, and would keep a new one from starting.
        assert processes.belongs_to(orphan, found.place.data)
        with children.connect(home, roles.OWNER) as connection:
            stored = {number for (number,) in connection.execute("SELECT number FROM load")}
            assert set(load.acknowledged) <= stored
            assert len(stored) <= len(load.acknowledged) + 3
            connection.execute("TRUNCATE load")
        assert server.running(home).pid != found.pid
        assert not processes.belongs_to(orphan, found.place.data)


def busy_backend(home: Path) -> psutil.Process:
    """A server process so busy that it does not notice the end of its server."""
    connection = children.connect(home)
    connection.pgconn.send_query(b"DO $$BEGIN LOOP PERFORM 1; END LOOP; END$$")
    connection.pgconn.flush()
    process = psutil.Process(connection.info.backend_pid)
    connection.pgconn.finish()
    return process


def test_a_server_in_another_container_is_not_joined_by_a_second_one(home: Path) -> None:
    """Its processes cannot be seen from here; the test holds the lock that they would hold."""
    place = place_of(home)
    leave_lock_files(home, 999_999)
    with claimed(place):
        with pytest.raises(EmbeddedPostgresError, match="Another container"):
            server.running(home)
        assert (place.data / "postmaster.pid").exists()
    assert server.running(home, durable=False).pid > 0
    with pytest.raises(EmbeddedPostgresError), claimed(place):
        raise AssertionError("the server does not hold its lock")


def test_a_server_whose_pid_file_was_deleted_is_named(home: Path) -> None:
    found = server.running(home, durable=False)
    (place_of(home).data / "postmaster.pid").unlink()
    with pytest.raises(EmbeddedPostgresError, match=f"kill -INT {found.pid}"):
        server.running(home)
    found.process.send_signal(signal.SIGINT)
    children.until(lambda: not processes.belongs_to(found.process, found.place.data), "the end")
    assert server.running(home, durable=False).pid != found.pid


def test_a_recovery_longer_than_ten_seconds_is_waited_for(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    slow_recovery(home, "sleep 6; false")
    began = time.monotonic()
    with children.connect(home) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert time.monotonic() - began > 10
    assert "Waiting for PostgreSQL to start" in capfd.readouterr().err


def test_a_start_without_any_sign_of_life_ends_in_a_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow_recovery(home, "sleep 8; false")
    monkeypatch.setattr(server, "SILENCE_S", 1.0)
    with pytest.raises(EmbeddedPostgresError, match="no sign of life"):
        server.running(home)
    assert server.stop(home)


def slow_recovery(home: Path, command: str) -> None:
    """Have the server fetch old WAL at its start, with a command that takes its time and finds nothing."""
    data = place_of(home).data
    (data / "recovery.signal").touch()
    (data / "local.conf").write_text(f"restore_command = '{command}'\n")
    for name in ("recovery.signal", "local.conf"):
        place_of(home).account.own(data / name)


def test_data_deleted_under_a_running_server_are_made_anew(home: Path) -> None:
    old = server.running(home, durable=False)
    shutil.rmtree(home)
    with children.connect(home) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    # Whoever is its parent now takes a moment to ask about it.
    children.until(lambda: not psutil.pid_exists(old.pid), "the end of the old server")


def test_a_deleted_socket_ends_in_a_sentence(home: Path) -> None:
    server.running(home, durable=False)
    (place_of(home).data / processes.SOCKET).unlink()
    with pytest.raises(EmbeddedPostgresError, match="db stop"):
        server.find(home)
    assert server.stop(home)
    assert server.running(home).pid > 0


def test_a_start_during_the_shutdown_waits_for_its_end(home: Path) -> None:
    old = server.running(home, durable=False)
    with children.connect(home):
        # A "smart" shutdown waits for the open connection.
        os.kill(old.pid, signal.SIGTERM)
        children.until(lambda: "stopping" in (home / "data" / "postmaster.pid").read_text(), "the shutdown")
        starter = children.starter(home)
        time.sleep(0.3)
        assert starter.poll() is None
    code, out, _ = children.finish(starter)
    assert code == 0
    assert int(out.split()[0]) != old.pid


def test_a_mistake_in_the_settings_is_shown(home: Path) -> None:
    (home / "data" / "local.conf").write_text("no_such_setting = 1\n")
    place_of(home).account.own(home / "data" / "local.conf")
    with pytest.raises(EmbeddedPostgresError, match="no_such_setting"):
        server.running(home)


def test_data_of_another_release_are_refused(home: Path) -> None:
    (home / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedPostgresError, match="made by PostgreSQL 17"):
        server.running(home)


def test_a_folder_that_is_no_cluster_is_left_alone(home: Path) -> None:
    (home / "data" / "PG_VERSION").unlink()
    with pytest.raises(EmbeddedPostgresError, match="no PostgreSQL data folder"):
        server.running(home)
    assert (home / "data" / "base").exists()


def test_lost_passwords_end_in_a_sentence(home: Path) -> None:
    (home / "passwords.json").unlink()
    with pytest.raises(EmbeddedPostgresError, match="passwords of the embedded PostgreSQL are missing"):
        server.running(home)


def test_a_restarted_server_is_noticed_by_who_knew_the_old_one(home: Path) -> None:
    old = server.running(home, durable=False)
    assert server.running(home) is old
    assert (
        children.finish(
            children.python(
                "import sys, pathlib\nfrom anomaly_server.embedded_postgres import server\n"
                "home = pathlib.Path(sys.argv[1])\nserver.stop(home)\nserver.running(home, durable=False)",
                home,
            )
        )[0]
        == 0
    )
    assert server.running(home).pid != old.pid
