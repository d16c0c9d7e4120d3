"""Which process, if any, is the server of a data folder.

A stale postmaster.pid proves nothing: after a crash or a reboot its number may belong to any program.
"""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from anomaly_server.embedded_postgres.errors import EmbeddedPostgresError

PORT = 5432  # Only part of the socket's name: the server listens on no port.
SOCKET = f".s.PGSQL.{PORT}"


class PidFile(NamedTuple):
    """What the server wrote about itself into postmaster.pid. Half-written lines are empty."""

    pid: int
    socket_folder: str
    status: str

    @property
    def socket(self) -> Path:
        return Path(self.socket_folder) / SOCKET


def pid_file(data: Path) -> PidFile | None:
    try:
        text = (data / "postmaster.pid").read_text(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    lines = [*(line.strip() for line in text.splitlines()), *[""] * 8]
    # A single-user server writes its number with a minus sign.
    number = lines[0].removeprefix("-")
    return PidFile(int(number) if number.isdigit() else 0, lines[4], lines[7])


def server_of(data: Path) -> psutil.Process | None:
    """The running server process of `data`, whether it is ready or not."""
    written = pid_file(data)
    if written is None or written.pid == 0:
        return None
    try:
        process = psutil.Process(written.pid)
    except psutil.Error:
        return None
    return process if belongs_to(process, data) else None


def belongs_to(process: psutil.Process, data: Path) -> bool:
    """Is it a live PostgreSQL process that works in `data`? PostgreSQL always works in its data folder.

    A process that we may not look into belongs to another user, and so cannot be ours.
    """
    try:
        if process.name() != "postgres" or process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.cwd() == f"{data} (deleted)" or _works_in(process, data)
    except (psutil.Error, OSError):
        return False


def _works_in(process: psutil.Process, data: Path) -> bool:
    try:
        # The folder itself, not its name: a container's may have the same.
        return os.path.samestat(os.stat(f"/proc/{process.pid}/cwd"), data.stat())
    except FileNotFoundError:
        return process.cwd() == str(data)


def unlisted_server_of(data: Path) -> psutil.Process | None:
    """A server that works in `data` though postmaster.pid does not name it.

    It has only just started; or it counts its processes apart, in a container; or somebody deleted the file.
    """
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            # Its children show what they do instead of arguments.
            if process.name() == "postgres" and "-D" in process.cmdline() and _works_in(process, data):
                return process
    return None


def end_leftovers(data: Path, *, patience_s: float = 30) -> None:
    """End the PostgreSQL processes in `data` that have lost their server.

    They keep the shared memory, and a new server refuses to start beside them. Call it under the lock, when
    no server runs. Processes of a data folder that was deleted under a running server are among them: left
    alone, they would delete the new server's socket when they notice.
    """
    left = [process for process in psutil.process_iter() if belongs_to(process, data)]
    # They notice by themselves, unless they are busy. SIGQUIT is what their server would have sent.
    # Signal 0 is none.
    for send, wait_s in ((0, 1.0), (signal.SIGQUIT, patience_s / 2), (signal.SIGKILL, patience_s / 2)):
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.send_signal(send)
        until = time.monotonic() + wait_s
        while left and time.monotonic() < until:
            left = [process for process in left if process.is_running() and belongs_to(process, data)]
            time.sleep(0.02)
    if left:
        numbers = ", ".join(str(process.pid) for process in left)
        raise EmbeddedPostgresError(f"PostgreSQL processes without a server do not end: {numbers}. End them by hand.")


def remove_stale_files(data: Path, socket_folder: Path) -> None:
    """Remove the lock files of a server that is gone.

    PostgreSQL itself refuses to start while the number in them belongs to any live process of the same user.
    Call it under the lock, when server_of() found nothing and the leftovers have ended.
    """
    for path in (data / "postmaster.pid", socket_folder / f"{SOCKET}.lock", socket_folder / SOCKET):
        path.unlink(missing_ok=True)
