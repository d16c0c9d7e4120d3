"""`up` and `down` with a real server and worker, in a copy of the project whose path has a blank."""

import http.client
import json
import re
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from anomaly_server import probe, running
from tests.anomaly_server.programs import ROOT, run, started, wait_until

COPIED = ("manage.py", "anomaly_server", "transactions", "anomalies", "scoring", "templates")
PORT = 18100
Up = Callable[..., AbstractContextManager[Any]]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, without what a `make run` of the developer holds in `var`."""
    folder = tmp_path_factory.mktemp("with blank") / "a copy"
    folder.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    return folder


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def up(copy: Path, own_database: str, log: Path) -> Up:
    # Nothing is scored here, and compiled code of the project itself is not that of a copy.
    settings = {"DATABASE_URL": own_database, "PORT": str(PORT), "NUMBA_DISABLE_JIT": "1"}
    return partial(started, sys.executable, "manage.py", "up", log=log, cwd=copy, **settings)


def wait_for_welcome(log: Path) -> str:
    wait_until(lambda: "Ctrl-C ends the server" in log.read_text(), patience_s=300)
    return log.read_text()


def port_in(text: str) -> int:
    return int(re.findall(r"Console +http://127\.0\.0\.1:(\d+)/admin/", text)[0])


def processes(copy: Path) -> list[psutil.Process]:
    return running.recorded(copy / "var" / "run.json")


def are_gone(found: list[psutil.Process]) -> bool:
    return not any(running.works(process) for process in found)


def test_it_comes_up_says_where_and_ends_with_ctrl_c(up: Up, copy: Path, log: Path, own_database: str) -> None:
    forget_everybody(copy, own_database)
    with up() as program:
        text = wait_for_welcome(log)
        children = psutil.Process(program.pid).children(recursive=True)
        password = re.findall(r"Log in +admin / (\S+)", text)[0]
        assert is_let_in(port_in(text), key=re.findall(r"Bearer (\S+)'", text)[0])
        program.send_signal(signal.SIGINT)
        assert program.wait(timeout=120) == 0
    wait_until(lambda: are_gone(children))
    assert processes(copy) == []
    with psycopg.connect(own_database) as connection:
        assert connection.execute(
            "SELECT count(*) FROM auth_user WHERE password LIKE %s", [f"%{password}%"]
        ).fetchone() == (0,)


def forget_everybody(copy: Path, database: str) -> None:
    """As on the first run."""
    migrated = run(sys.executable, "manage.py", "migrate", cwd=copy, DATABASE_URL=database)
    assert migrated.returncode == 0, migrated.stderr
    with psycopg.connect(database) as connection:
        connection.execute("TRUNCATE auth_user CASCADE")


def is_let_in(port: int, *, key: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", "/api/v1/anomalies/?limit=3", headers={"Authorization": f"Bearer {key}"})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return isinstance(answer["results"], list)


def test_a_second_one_is_refused_and_a_taken_port_passed_over(up: Up, copy: Path, log: Path, own_database: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, up(PORT=str(taken.getsockname()[1])) as program:
        text = wait_for_welcome(log)
        assert f"Port {taken.getsockname()[1]} is taken: using {port_in(text)}." in text
        second = run(sys.executable, "manage.py", "up", cwd=copy, DATABASE_URL=own_database)
        assert second.returncode == 1
        assert "already runs" in second.stderr
        assert probe.answers("/livez", host="127.0.0.1", port=port_in(text), name="localhost")
        assert down(copy, own_database) == "The server is stopped.\n"
        assert program.wait(timeout=120) == 0


def test_what_a_killed_one_left_is_ended_and_the_password_is_not_shown_again(
    up: Up, copy: Path, log: Path, own_database: str
) -> None:
    admin = {"DJANGO_SUPERUSER_PASSWORD": "of-somebody", "DATABASE_URL": own_database}
    forget_everybody(copy, own_database)
    run(sys.executable, "manage.py", "createsuperuser", "--noinput", "--username=x", "--email=", cwd=copy, **admin)
    with up() as program:
        text = wait_for_welcome(log)
        assert "Log in" not in text
        assert "api_key create" in text
        program.kill()
        program.wait()
        left = processes(copy)
        assert len(left) == 2
        assert down(copy, own_database) == "The server is stopped.\n"
    wait_until(lambda: are_gone(left))
    assert down(copy, own_database) == "No server was running.\n"


def down(copy: Path, database: str) -> str:
    ended = run(sys.executable, "manage.py", "down", cwd=copy, DATABASE_URL=database)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
