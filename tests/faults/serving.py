"""The server as in production, on a PostgreSQL of its own that can be killed like the server's processes."""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import psutil
import psycopg

from anomaly_server.embedded_postgres import roles, server
from tests.anomaly_server.programs import kept_port, manage, started, wait_until
from tests.conftest import url

GUNICORN = (sys.executable, "-m", "gunicorn", "-c", "anomaly_server/gunicorn.py", "anomaly_server.wsgi")
BASE = "/api/v1/"
TESTER = """
    INSERT INTO auth_user
        (username, password, is_superuser, is_staff, is_active, date_joined, first_name, last_name, email)
    VALUES ('tester', '', true, true, true, now(), '', '', '')
    ON CONFLICT DO NOTHING
"""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Site:
    """A running server: where it answers, a key that may do everything, its processes and its database."""

    cluster: Path
    port: int
    key: str
    master: psutil.Process

    @property
    def database(self) -> str:
        return database_of(self.cluster)

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=120)

    def ask(self, path: str, body: Any = None, *, connection: HTTPConnection | None = None) -> Answer:
        """GET, or POST of a JSON body. Raises OSError or HTTPException where nothing answers."""
        used = connection or self.connect()
        headers = {"Authorization": f"Bearer {self.key}"}
        try:
            if body is None:
                used.request("GET", path, headers=headers)
            else:
                used.request("POST", path, json.dumps(body), {**headers, "Content-Type": "application/json"})
            return read(used.getresponse())
        finally:
            if connection is None:
                used.close()

    def workers(self) -> list[psutil.Process]:
        return [one for one in self.master.children() if one.is_running()]

    def memory(self) -> int:
        """Bytes that the workers hold for themselves."""
        return sum(one.memory_full_info().uss for one in self.workers())

    def kill_postgres(self) -> None:
        """SIGKILL for the postmaster and all its processes."""
        found = server.find(self.cluster)
        assert found
        family = [found.process, *found.process.children(recursive=True)]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, 60)

    def start_postgres(self) -> None:
        server.running(self.cluster)


def read(response: HTTPResponse) -> Answer:
    return Answer(response.status, dict(response.getheaders()), response.read())


def database_of(cluster: Path, role: str = roles.APP) -> str:
    """Its address, by TCP or socket as it listens; the same after a restart."""
    login = server.running(cluster).login(role)
    return url(dbname=roles.DATABASE, **{name: str(value) for name, value in login._asdict().items()})


def payment(number: int, user: int = 7) -> dict[str, Any]:
    """A payment with its own id; equal for equal numbers."""
    return {
        "id": str(UUID(int=10**9 + number)),
        "user_id": str(UUID(int=user)),
        "amount": f"{number % 97 + 1}.25",
        "currency": "EUR",
        "txn_date": f"2024-06-{number % 28 + 1:02}T{number % 24:02}:{number % 60:02}:00Z",
        "status": "completed",
        "meta_data": {"merchant_id": f"shop-{number % 5}"},
    }


@contextlib.contextmanager
def served(cluster: Path, log: Path, **settings: str) -> Iterator[Site]:
    """gunicorn on the migrated `cluster`, with two workers."""
    database = database_of(cluster)
    with psycopg.connect(database_of(cluster, roles.OWNER), autocommit=True) as owner:
        owner.execute(TESTER)
    made = manage("api_key", "create", "--user", "tester", "--name", "faults", "--write", DATABASE_URL=database)
    assert made.returncode == 0, made.stderr
    more = {"DATABASE_URL": database, "HOST": "127.0.0.1", "LOG_FORMAT": "json", **settings}
    with kept_port() as port, started(*GUNICORN, log=log, **more, PORT=str(port)) as program:
        site = Site(cluster, port, made.stdout.split()[-1], psutil.Process(program.pid))
        wait_until(lambda: answers(site))
        yield site
        program.send_signal(signal.SIGTERM)
        program.wait(180)


def answers(site: Site) -> bool:
    with contextlib.suppress(OSError):
        return site.ask("/readyz").status == 200
    return False


def kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        os.kill(process.pid, signal.SIGKILL)
