"""Start, find and stop the embedded server.

The server belongs to nobody's process: it is started in a session of its own, outlives its starter, and ends
only through stop(). Any number of processes may call running() at once.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil

from anomaly_server.embedded_postgres import binaries, cluster, configuration, processes, roles
from anomaly_server.embedded_postgres.errors import EmbeddedPostgresError, say
from anomaly_server.embedded_postgres.lock import claimed, exclusive
from anomaly_server.embedded_postgres.place import INSTEAD, Place, choose, existing

# A server that starts is given up after so long without a sign of life; crash recovery itself may take longer.
SILENCE_S = 120.0
# The shell starts the server in the background, prints its number and ends, so the server has no parent that
# would have to wait for it. The log is opened as the server's account.
START = 'exec "$@" >"$0" 2>&1 </dev/null &\necho $!'


class Login(NamedTuple):
    """What a client needs to log in."""

    host: str
    port: int
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Server:
    """A running server as one process knows it."""

    place: Place
    # Texts, not paths: they are compared at every connection.
    data: str
    pid_file: str
    process: psutil.Process
    socket_folder: str
    passwords: dict[str, str]
    # Inode and time of postmaster.pid: any start or stop changes them.
    written: tuple[int, int]

    @property
    def pid(self) -> int:
        return int(self.process.pid)

    def login(self, role: str) -> Login:
        return Login(self.socket_folder, processes.PORT, role, self.passwords[role])

    def is_unchanged(self) -> bool:
        """A check of ten microseconds: it is made at every connection. An ended process works in no folder."""
        try:
            return self.process.cwd() == self.data and _written(self.pid_file) == self.written
        except (psutil.Error, OSError):
            return False


_known: dict[Path, Server] = {}


def running(configured: Path, *, durable: bool = True) -> Server:
    """The server whose data lies at `configured`, started if it does not run, made if there is none.

    Raises EmbeddedPostgresError with a sentence if that cannot be.
    """
    known = _known.get(configured)
    if known is None or not known.is_unchanged():
        with _sentences(configured):
            known = find(configured) or _start(configured, durable=durable)
        _known[configured] = known
    return known


def find(configured: Path) -> Server | None:
    """The server if it is up and ready, or None. Starts and makes nothing, and takes no lock."""
    with _sentences(configured):
        place = existing(configured)
        written = place and processes.pid_file(place.data)
        process = place and processes.server_of(place.data)
        if not (place and written and process) or written.status != "ready" or written.pid != process.pid:
            return None
        if not written.socket.exists():
            raise EmbeddedPostgresError(
                f"PostgreSQL runs (process {process.pid}), but its socket {written.socket} was deleted: "
                "run `manage.py db stop`, then start again."
            )
        data, pid_file = str(place.data), str(place.data / "postmaster.pid")
        passwords = roles.read_passwords(place)
        return Server(place, data, pid_file, process, written.socket_folder, passwords, _written(pid_file))


def stop(configured: Path, *, patience_s: float = 300.0) -> bool:
    """Stop the server in order: finish its writes, end its connections. False if it did not run."""
    with _sentences(configured):
        place = existing(configured)
        if place is None:
            return False
        with exclusive(place):
            process = processes.server_of(place.data)
            if process is None:
                return False
            process.send_signal(signal.SIGINT)
            _wait_for_end(place, process, patience_s)
            return True


def log_tail(place: Place, lines: int = 8) -> str:
    """The last lines of the server's newest log, for a message."""
    logs = sorted((_size_and_time(path)[1], path) for path in place.log_folder.glob("*.log"))
    text = logs[-1][1].read_text(errors="replace") if logs else ""
    return "\n".join(text.strip().splitlines()[-lines:])


def _start(configured: Path, *, durable: bool) -> Server:
    place = choose(configured)
    with exclusive(place):
        # The process that held the lock before us has probably done it all.
        found = find(configured)
        if found is None:
            cluster.remove_leftovers(place)
            if not place.has_data:
                processes.end_leftovers(place.data)
                say(f"First start: making a PostgreSQL cluster in {place.home} ...")
                cluster.create(place, durable=durable)
            _bring_up(place, durable=durable)
            found = find(configured)
    if found is None:
        raise EmbeddedPostgresError(f"PostgreSQL started and ended at once; its log ends:\n{log_tail(place)}")
    return found


def _bring_up(place: Place, *, durable: bool) -> None:
    """Wait for the server that is there, or launch one. Under the lock."""
    process = processes.server_of(place.data) or _await_unlisted(place)
    if process is not None and _status(place) == "stopping":
        _wait_for_end(place, process, SILENCE_S)
        process = None
    _wait_until_ready(place, process or _launch(place, durable=durable))


def _await_unlisted(place: Place) -> psutil.Process | None:
    """Give a server whose starter was killed the moment that it needs to write its number down."""
    until = time.monotonic() + 3
    while unlisted := processes.unlisted_server_of(place.data):
        process = processes.server_of(place.data)
        if process is not None:
            return process
        if time.monotonic() > until:
            raise EmbeddedPostgresError(
                f"PostgreSQL (process {unlisted.pid}) runs on {place.data}, but postmaster.pid there does not name "
                "it: it is another container's, or the file was deleted. "
                f"Stop it there, or with `kill -INT {unlisted.pid}`."
            )
        time.sleep(0.02)
    return None


def _launch(place: Place, *, durable: bool) -> psutil.Process | None:
    cluster.check_version(place)
    programs = binaries.folder_for(place.account)
    processes.end_leftovers(place.data)
    with claimed(place) as claim:
        socket_folder = configuration.write(place, durable=durable)
        processes.remove_stale_files(place.data, socket_folder)
        done = subprocess.run(
            ["/bin/sh", "-c", START, place.log_folder / "start.log", programs / "postgres", "-D", place.data],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=place.data,
            env=binaries.ENVIRONMENT,
            umask=0o077,
            start_new_session=True,
            pass_fds=(claim,),
            check=False,
            **place.account.run_as(),
        )
    if not done.stdout.strip().isdigit():
        raise EmbeddedPostgresError(f"PostgreSQL could not be started: {done.stderr.strip()}")
    try:
        return psutil.Process(int(done.stdout))
    except psutil.NoSuchProcess:
        return None


def _wait_until_ready(place: Place, process: psutil.Process | None) -> None:
    """Wait while the server starts, minutes if it recovers from a crash, as long as it shows signs of life."""
    began = alive = told = looked = time.monotonic()
    signs: object = None
    while _status(place) != "ready" or processes.server_of(place.data) is None:
        if process is None or not _is_alive(process):
            raise EmbeddedPostgresError(f"PostgreSQL did not start; its log ends:\n{log_tail(place)}")
        now = time.monotonic()
        if now - began > 3 and (told == began or now - told > 30):
            say("Waiting for PostgreSQL to start; after a crash it first recovers, which can take minutes ...")
            told = now
        # Now and then: looking through all processes costs the server the time it needs.
        if now - looked > min(1.0, SILENCE_S / 4):
            looked, before, signs = now, signs, _signs_of_life(place, process)
            alive = now if signs != before else alive
        if now - alive > SILENCE_S:
            raise EmbeddedPostgresError(
                f"PostgreSQL (process {process.pid}) has been starting for {now - began:.0f} s and shows no sign of "
                f"life; its log ends:\n{log_tail(place)}"
            )
        time.sleep(0.02 if now - began < 3 else 0.25)


def _wait_for_end(place: Place, process: psutil.Process, patience_s: float) -> None:
    began, told = time.monotonic(), False
    while _is_alive(process):
        waited = time.monotonic() - began
        if waited > patience_s:
            raise EmbeddedPostgresError(
                f"PostgreSQL (process {process.pid}) is still shutting down after {waited:.0f} s; its log ends:\n"
                f"{log_tail(place)}"
            )
        if waited > 3 and not told:
            say("Waiting for PostgreSQL to write its last changes ...")
            told = True
        time.sleep(0.02)


def _is_alive(process: psutil.Process) -> bool:
    try:
        # Where nobody collects ended children, as in some containers, they stay as zombies.
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _signs_of_life(place: Place, process: psutil.Process) -> object:
    logs = {path.name: _size_and_time(path) for path in place.log_folder.glob("*.log")}
    used = []
    with contextlib.suppress(psutil.Error):
        used = [(child.pid, child.cpu_times()) for child in (process, *process.children())]
    return logs, used


def _size_and_time(path: Path) -> tuple[int, float]:
    found = path.stat()
    return found.st_size, found.st_mtime


def _status(place: Place) -> str:
    written = processes.pid_file(place.data)
    return written.status if written else ""


def _written(pid_file: str) -> tuple[int, int]:
    found = os.stat(pid_file)
    return found.st_ino, found.st_mtime_ns


@contextlib.contextmanager
def _sentences(configured: Path) -> Iterator[None]:
    """Turn what the operating system refuses (rights, full disk, read-only) into a sentence."""
    try:
        yield
    except OSError as error:
        raise EmbeddedPostgresError(
            f"The embedded PostgreSQL in {configured} cannot be used: {error}. Mend that, {INSTEAD}"
        ) from error
