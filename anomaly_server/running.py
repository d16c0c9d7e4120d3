"""Which processes `manage.py up` started: one `up` at a time, and `down` ends what a killed one left."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import psutil
from django.conf import settings

# Longer than gunicorn gives its requests to end (graceful_timeout).
PATIENCE_S = 40


def path() -> Path:
    """The file of this folder's `up`."""
    return settings.BASE_DIR / "var" / "run.json"


class AlreadyRunning(Exception):
    """Another `up` of this folder is at work."""


class Record:
    """The file that names our processes. A process is known by its pid and its time of birth:
    a pid alone may belong to somebody else by now."""

    def __init__(self, file: IO[str]) -> None:
        self.file = file
        self.entries: list[dict[str, Any]] = []
        self.add(os.getpid())

    def add(self, pid: int) -> None:
        self.entries.append({"pid": pid, "born": psutil.Process(pid).create_time()})
        self.file.seek(0)
        self.file.truncate()
        json.dump(self.entries, self.file)
        self.file.flush()


@contextmanager
def claimed(file: Path) -> Iterator[Record]:
    """Hold `file` as the only `up` of this folder. Raises AlreadyRunning; ends what a killed one left."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+") as opened:
        try:
            # The kernel lets go of the lock when we end, however we end.
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"The server already runs from this folder ({file}).") from None
        end(file)
        yield Record(opened)
        opened.truncate(0)


def recorded(file: Path) -> list[psutil.Process]:
    """The processes named in `file` that still live, the `up` itself first; none if it is not there or cut short."""
    try:
        entries = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return []
    return [process for entry in entries if (process := alive(entry))]


def alive(entry: dict[str, Any]) -> psutil.Process | None:
    """The process of one entry, if it lives and is still the same one."""
    try:
        process = psutil.Process(entry["pid"])
        # The kernel counts births in hundredths of a second from a start that clock changes may move a little.
        return process if abs(process.create_time() - entry["born"]) < 1 and works(process) else None
    except psutil.NoSuchProcess:
        return None


def works(process: psutil.Process) -> bool:
    """False also for one that has ended and that its parent has not asked about."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def wait(processes: list[psutil.Process], *, patience_s: float) -> list[psutil.Process]:
    """Wait for the end of all. Returns those that still work."""
    ends = time.monotonic() + patience_s
    while (left := [process for process in processes if works(process)]) and time.monotonic() < ends:
        time.sleep(0.05)
    return left


def end(file: Path) -> int:
    """End the recorded processes: asked first, killed after PATIENCE_S. Returns how many there were."""
    processes = recorded(file)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    deaf = wait(processes, patience_s=PATIENCE_S)
    for process in deaf:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    wait(deaf, patience_s=5)
    return len(processes)
