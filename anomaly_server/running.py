"""Which processes `manage.py up` started: one `up` at a time, and `down` ends what a killed one left."""

import fcntl
import json
import os
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
def claimed(path: Path) -> Iterator[Record]:
    """Hold `path` as the only `up` of this folder. Raises AlreadyRunning; ends what a killed one left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            # The kernel lets go of the lock when we end, however we end.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"The server already runs from this folder ({path}).") from None
        end(path)
        yield Record(file)
        file.truncate(0)


def recorded(path: Path) -> list[psutil.Process]:
    """The processes named in `path` that still live, the `up` itself first."""
    with suppress(FileNotFoundError):
        return [process for entry in entries(path) if (process := alive(entry))]
    return []


def entries(path: Path) -> list[dict[str, Any]]:
    """What the file says; nothing if it was cut short."""
    try:
        found: list[dict[str, Any]] = json.loads(path.read_text())
    except ValueError:
        return []
    return found


def alive(entry: dict[str, Any]) -> psutil.Process | None:
    """The process of one entry, if it lives and is still the same one."""
    try:
        process = psutil.Process(entry["pid"])
        # The kernel counts births in hundredths of a second from a start that clock changes may move a little.
        same = abs(process.create_time() - entry["born"]) < 1
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def end(path: Path) -> int:
    """End the recorded processes: asked first, killed after PATIENCE_S. Returns how many there were."""
    processes = recorded(path)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, deaf = psutil.wait_procs(processes, timeout=PATIENCE_S)
    for process in deaf:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(deaf, timeout=5)
    return len(processes)
