"""The first start, also by several processes at once and when it is killed."""

import json
import os
import random
import signal
import stat
import subprocess
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from anomaly_server.embedded_postgres import roles, server
from anomaly_server.embedded_postgres.lock import exclusive
from anomaly_server.embedded_postgres.place import choose
from tests.embedded_postgres import children


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_first_start_makes_a_private_cluster(empty: Path) -> None:
    found = server.running(empty, durable=False)
    assert mode(found.place.data) == 0o700
    assert mode(found.place.passwords_file) == 0o600
    assert found.place.passwords_file.stat().st_uid == os.geteuid()
    assert mode(empty) & stat.S_IRWXO == 0
    private = [path for path in found.place.log_folder.iterdir() if mode(path) != 0o600]
    assert private == []


def test_the_server_listens_on_no_port(home: Path) -> None:
    with children.connect(home) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    sockets = psutil.Process(server.running(home).pid).net_connections("inet")
    assert sockets == []


def test_nobody_gets_in_without_the_password(home: Path) -> None:
    login = server.running(home, durable=False).login(roles.APP)
    wrong = login._replace(password="guessed")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**wrong._asdict(), dbname=roles.DATABASE)


def test_the_roles_can_do_no_more_than_they_must(home: Path) -> None:
    with children.connect(home) as connection:
        found = connection.execute(
            "SELECT rolname, rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname ~ '^anomaly' ORDER BY 1"
        ).fetchall()
    assert found == [(roles.APP, False, False, False), (roles.OWNER, False, True, False)]


@pytest.mark.parametrize("starters", [2, 8])
def test_simultaneous_first_starts_make_one_server(empty: Path, starters: int) -> None:
    ended = [children.finish(process) for process in [children.starter(empty) for _ in range(starters)]]
    assert [code for code, _, _ in ended] == [0] * starters, ended
    assert {out for _, out, _ in ended} == {ended[0][1]}
    assert list(empty.glob("data.new-*")) == []
    with children.connect(empty) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_simultaneous_starts_of_a_stopped_cluster_make_one_server(home: Path) -> None:
    ended = [children.finish(process) for process in [children.starter(home) for _ in range(8)]]
    assert [code for code, _, _ in ended] == [0] * 8, ended
    assert {out for _, out, _ in ended} == {ended[0][1]}


def test_a_first_start_killed_at_any_moment_leaves_nothing_in_the_way(empty: Path) -> None:
    for _ in range(6):
        process = children.starter(empty)
        time.sleep(random.uniform(0.05, 1.1))
        process.kill()
        children.finish(process)
        half = empty / "data"
        assert not half.exists() or (half / "log").exists(), "a half-made cluster took the name of a whole one"
    with children.connect(empty, roles.OWNER) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == (roles.DATABASE,)
    server.stop(empty)
    server.running(empty, durable=False)
    assert list(empty.glob("data.new-*")) == []


def test_a_starter_killed_under_the_lock_holds_nobody_up(home: Path) -> None:
    holder = children.python(
        "import sys, pathlib, time\n"
        "from anomaly_server.embedded_postgres import lock, place\n"
        "with lock.exclusive(place.choose(pathlib.Path(sys.argv[1]))):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n",
        home,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    waiting = children.starter(home)
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(timeout=0.5)
    holder.send_signal(signal.SIGKILL)
    children.finish(holder)
    code, out, err = children.finish(waiting)
    assert (code, err) == (0, "")
    assert int(out.split()[0]) == server.running(home).pid


def test_the_starter_killed_while_another_process_works_disturbs_nobody(home: Path) -> None:
    process = children.python(children.START + "\nsys.stdout.flush()\nimport time\ntime.sleep(60)", home)
    assert process.stdout is not None
    pid = int(process.stdout.readline().split()[0])
    with children.connect(home) as connection:
        connection.execute("CREATE TEMP TABLE mine AS SELECT 1 AS n")
        process.kill()
        children.finish(process)
        time.sleep(0.3)
        assert connection.execute("SELECT n FROM mine").fetchone() == (1,)
    assert server.running(home).pid == pid


def test_the_server_outlives_its_starter_and_inherits_nothing(home: Path) -> None:
    descriptor = os.open(home / "passwords.json", os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    starter = children.starter(
        home, env={**os.environ, "SECRET_KEY": "not for PostgreSQL", "TMPDIR": "/nowhere"}, pass_fds=(descriptor,)
    )
    code, out, _ = children.finish(starter)
    os.close(descriptor)
    assert code == 0
    process = psutil.Process(int(out.split()[0]))
    assert "SECRET_KEY" not in process.environ()
    assert os.getsid(process.pid) not in (os.getsid(0), starter.pid)
    outside = [file.path for file in process.open_files() if not file.path.startswith(str(home / "data"))]
    assert outside == [str(home / "in-use")]


def test_the_lock_does_not_pass_to_the_server(home: Path) -> None:
    server.running(home, durable=False)
    with exclusive(choose(home)):
        assert server.find(home) is not None


def test_a_first_start_without_room_says_so_and_leaves_nothing(empty: Path) -> None:
    code, _, err = children.finish(
        children.python(
            f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))\n{children.START}", empty
        )
    )
    assert code == 1
    assert "could not be made" in err
    assert "Traceback" not in err
    assert list(empty.glob("data*")) == []
    server.running(empty, durable=False)
    assert list(empty.glob("data.new-*")) == []


def test_passwords_are_long_random_and_different(template: Path) -> None:
    passwords = json.loads((template / "passwords.json").read_text())
    assert set(passwords) == {roles.SUPERUSER, roles.OWNER, roles.APP}
    assert len(set(passwords.values())) == 3
    assert min(map(len, passwords.values())) >= 32
