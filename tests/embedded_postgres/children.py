"""Other processes for the tests, and connections to the clusters."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from anomaly_server.embedded_postgres import roles, server

ROOT = Path(__file__).resolve().parent.parent.parent
# Prints the server's number, the socket's folder and that it got there.
START = """
import sys, pathlib
from anomaly_server.embedded_postgres import server
from anomaly_server.embedded_postgres.errors import EmbeddedPostgresError
try:
    found = server.running(pathlib.Path(sys.argv[1]), durable=False)
except EmbeddedPostgresError as error:
    sys.exit(str(error))
print(found.pid, found.socket_folder)
"""


def starter(home: Path, **options: Any) -> "subprocess.Popen[str]":
    """A process that starts the server, prints its number and ends."""
    return python(START, home, **options)


def python(script: str, *arguments: object, **options: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finish(process: "subprocess.Popen[str]", timeout: float = 300) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out, err


def environment(home: Path, **more: str) -> dict[str, str]:
    """A bare machine's: nothing of the developer's own settings."""
    return {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": "only-for-tests-" + "x" * 40,
        "ENV_FILE": os.devnull,
        "EMBEDDED_POSTGRES_DIR": str(home),
        **more,
    }


def managing(home: Path, *arguments: object, **more: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "manage.py", *map(str, arguments)],
        cwd=ROOT,
        env=environment(home, **more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


# Reads commands, one a line, and runs each in a fork of its own. Loading Django is most of what a command costs.
MANAGER = """
import json, os, sys, django
from django.core.management import execute_from_command_line
django.setup()
for line in sys.stdin:
    arguments, out, err = json.loads(line)
    pid = os.fork()
    if pid == 0:
        for path, number in ((os.devnull, 0), (out, 1), (err, 2)):
            os.dup2(os.open(path, os.O_RDWR), number)
        sys.stdin = open(0)
        execute_from_command_line(["manage.py", *arguments])
        sys.exit()
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Managers:
    """`manage.py` for many commands: manage(home, "db", "status") -> Done."""

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen[str]] = {}

    def __call__(self, home: Path, *arguments: object, **more: str) -> Done:
        process = self._process(environment(home, **more, DJANGO_SETTINGS_MODULE="anomaly_server.settings"))
        assert process.stdin is not None
        assert process.stdout is not None
        with tempfile.NamedTemporaryFile("r") as out, tempfile.NamedTemporaryFile("r") as err:
            process.stdin.write(json.dumps([[str(argument) for argument in arguments], out.name, err.name]) + "\n")
            process.stdin.flush()
            return Done(int(process.stdout.readline()), out.read(), err.read())

    def _process(self, environment: dict[str, str]) -> "subprocess.Popen[str]":
        key = json.dumps(environment)
        if key not in self._running:
            self._running[key] = subprocess.Popen(
                [sys.executable, "-c", MANAGER],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        return self._running[key]

    def close(self) -> None:
        for process in self._running.values():
            # They wait for a command and hold nothing; ending in order takes each a while.
            process.kill()
            process.communicate()


def connect(
    home: Path, role: str = roles.APP, database: str = roles.DATABASE, **options: Any
) -> "psycopg.Connection[tuple[Any, ...]]":
    """Log in on the server of `home`, which is started if it does not run."""
    login = server.running(home, durable=False).login(role)
    return psycopg.connect(**login._asdict(), dbname=database, autocommit=True, **options)


def until(fact: Callable[[], object], what: str, patience_s: float = 180) -> None:
    end = time.monotonic() + patience_s
    while not fact():
        assert time.monotonic() < end, f"{what} did not happen in {patience_s} s"
        time.sleep(0.01)
