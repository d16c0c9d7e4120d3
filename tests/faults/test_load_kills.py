"""`load_data` killed at random moments, and its database too: after the next run the table equals the file.

FAULT_KILLS says how often; `make faults` sets it high.
"""

import contextlib
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg import sql

from anomaly_server.embedded_postgres import roles, server
from tests.conftest import login_of, url
from tests.embedded_postgres.children import until
from tests.faults.loaders import OPTIONS, Fork, Forks, Known, assert_loaded, forget, make

KILLS = int(os.environ.get("FAULT_KILLS", "20"))
# Other moments in each run. The tests' names show it, so that a run can be repeated.
SEED = int(os.environ.get("FAULT_SEED", "0")) or random.randrange(1, 1_000_000)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(django_db_setup: None, django_db_blocker: object) -> Iterator[str]:
    """The URL of a database of these tests' own, with the tables."""
    from django.db import connection

    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        login = login_of(connection.get_connection_params())
    name = f"load_kills_{os.getpid()}"
    with psycopg.connect(**login, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield url(**{**login, "dbname": name})
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database(made: str, forks: Forks) -> Iterator[str]:
    """The same, empty again after each test, also after one that fails."""
    yield made
    forget(made)


@pytest.fixture(scope="module")
def forks(made: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    forks = Forks(tmp_path_factory.mktemp("forks"), DATABASE_URL=made)
    migrated = forks.start("migrate", "--verbosity=0")
    migrated.end()
    try:
        assert migrated.err.read_text() == ""
        yield forks
    finally:
        forks.close()


@pytest.fixture
def cluster() -> Iterator[Path]:
    """The home of an embedded PostgreSQL of this test's own, with the tables; durable, as in production."""
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    folder.chmod(0o711)
    with closing(Forks(folder, EMBEDDED_POSTGRES_DIR=str(folder / "home"))) as forks:
        migrated = forks.start("migrate", "--verbosity=0")
        migrated.end()
    try:
        assert server.find(folder / "home"), migrated.err.read_text()
        yield folder / "home"
    finally:
        server.stop(folder / "home", patience_s=20)
        shutil.rmtree(folder)


def kill_server(cluster: Path) -> bool:
    """SIGKILL for the postmaster and all its processes; False if it does not run."""
    found = server.find(cluster)
    if not found:
        return False
    family = [found.process, *found.process.children(recursive=True)]
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, 60)
    return True


def cluster_url(cluster: Path, role: str = roles.APP) -> str:
    login = server.running(cluster).login(role)
    return url(dbname=roles.DATABASE, **{name: str(value) for name, value in login._asdict().items()})


class Killer:
    """Kills loads at random moments, as far apart as this machine needs to store something in between."""

    def __init__(self, forks: Forks, database: str, rng: random.Random) -> None:
        self.forks, self.database, self.rng = forks, database, rng
        self.within_s = 0.3
        self.kills = self.in_the_middle = 0

    def load(self, known: Known, kills: int, *, at_once: int) -> None:
        """Run the load again and again until it was killed so often, or came to its end."""
        before = 0
        while self.kills < kills:
            running = [self.forks.start("load_data", known.path, *OPTIONS, rows_at_once=200) for _ in range(at_once)]
            killed = sum(self.at_a_random_moment(fork) for fork in running)
            if not killed:
                return
            self.kills += killed
            line = self.line()
            self.in_the_middle += line > 0
            self.within_s = max(0.1, min(5.0, self.within_s * (0.8 if line > before else 1.5)))
            before = line

    def at_a_random_moment(self, fork: Fork) -> bool:
        """Kill it, unless it ends before."""
        time.sleep(self.rng.uniform(0, self.within_s))
        return fork.kill()

    def line(self) -> int:
        return line_of(self.database)


def line_of(database: str) -> int:
    """How far the only load has got."""
    with psycopg.connect(database) as connection:
        found = connection.execute("SELECT line FROM loads").fetchone()
    return int(found[0]) if found else 0


@pytest.mark.parametrize("seed", [SEED], ids="FAULT_SEED={}".format)
@pytest.mark.parametrize("at_once", [1, 2])
def test_the_table_equals_the_file_however_often_the_load_is_killed(
    forks: Forks, database: str, tmp_path: Path, at_once: int, seed: int
) -> None:
    killer, round_ = Killer(forks, database, random.Random(seed + at_once)), 0
    while killer.kills < KILLS // 2:
        round_ += 1
        known = make(tmp_path / f"{round_}.csv", 6_000, seed=seed + round_)
        killer.load(known, KILLS // 2, at_once=at_once)
        last = forks.start("load_data", known.path, *OPTIONS)
        last.end()
        told = last.told()
        assert told, last.err.read_text()
        assert_loaded(database, known, told)
        rejects = known.path.with_name(f"{known.path.name}.rejects.csv")
        assert [*tmp_path.glob("*.rejects*")] == [rejects]
        rejects.unlink()
        forget(database)
    assert killer.in_the_middle


def test_of_two_loads_of_a_file_at_once_the_second_waits_and_adds_nothing(
    forks: Forks, database: str, tmp_path: Path
) -> None:
    known = make(tmp_path / "rows.csv", 4_000, seed=1)
    first = forks.start("load_data", known.path, *OPTIONS, rows_at_once=20)
    until(lambda: line_of(database) > 0, "the first chunk")
    second = forks.start("load_data", known.path, *OPTIONS, rows_at_once=20)
    for fork in (first, second):
        fork.end()
        told = fork.told()
        assert told, fork.err.read_text()
        assert told["error"] is None
        assert_loaded(database, known, told)
    assert told["earlier"]["rows"] == 4_000
    assert second.err.read_text() == f"Another run is loading {known.path}; waiting for it.\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_load_asked_to_stop_ends_after_its_chunk_and_goes_on_when_run_again(
    forks: Forks, database: str, tmp_path: Path, number: signal.Signals
) -> None:
    known = make(tmp_path / "rows.csv", 6_000, seed=1)
    fork = forks.start("load_data", known.path, *OPTIONS, rows_at_once=20)
    until(lambda: line_of(database) > 0, "the first chunk")
    os.kill(fork.pid, number)
    fork.end()
    stopped = fork.told()
    assert stopped
    assert (stopped["stopped"], stopped["error"]) == (True, "Stopped as asked. Run the same command again to go on.")
    assert stopped["files"][0]["line"] == line_of(database)
    assert 0 < stopped["rows"] < 6_000
    last = forks.start("load_data", known.path, *OPTIONS)
    last.end()
    told = last.told()
    assert told
    assert told["earlier"]["rows"] == stopped["rows"]
    assert_loaded(database, known, told)


@pytest.mark.parametrize("seed", [SEED], ids="FAULT_SEED={}".format)
def test_the_table_equals_the_file_however_often_postgresql_is_killed(cluster: Path, tmp_path: Path, seed: int) -> None:
    """The server dies with SIGKILL. The load says so in a sentence, and its next run starts the server again."""
    rng = random.Random(seed)
    kills, round_, within_s, was = 0, 0, 1.0, -1
    with closing(Forks(tmp_path, EMBEDDED_POSTGRES_DIR=str(cluster))) as forks:
        while kills < max(KILLS // 4, 1):
            round_ += 1
            known, told = make(tmp_path / f"{round_}.csv", 4_000, seed=seed + round_), None
            while told is None:
                fork = forks.start("load_data", known.path, *OPTIONS, rows_at_once=200)
                if kills < KILLS // 4 and not fork.ends_within(rng.uniform(0.1, within_s)):
                    kills += kill_server(cluster)
                fork.end()
                told, failed = fork.told(), fork.err.read_text()
                assert told, failed
                if told["error"]:
                    assert "CommandError: The database failed (" in failed
                    assert "Traceback" not in failed
                    assert "Run the same command again to go on." in failed
                    within_s = within_s * 0.9 if told["rows"] > was else min(within_s * 1.5, 10)
                    was, told = told["rows"], None
            assert_loaded(cluster_url(cluster), known, told)
            forget(cluster_url(cluster, roles.OWNER))
