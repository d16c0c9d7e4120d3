"""Two locks: one under which a server is made, started and stopped, and one that the server itself holds.

Both are flocks: the kernel releases them when their holders end, however they end.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from anomaly_server.embedded_postgres.errors import EmbeddedPostgresError, say
from anomaly_server.embedded_postgres.place import Account, Place


@contextlib.contextmanager
def exclusive(place: Place) -> Iterator[None]:
    """Hold the lock of `place`; wait for it as long as another process holds it, and say so."""
    descriptor = _take(place)
    try:
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def claimed(place: Place) -> Iterator[int]:
    """A lock for the server to inherit: all its processes hold it as long as they live.

    Two containers with one folder do not see each other's processes, and two servers would ruin the data. The
    kernel, which they share, sees the lock.
    """
    descriptor = _open(place, place.claim_file)
    try:
        if not _try(descriptor, place.claim_file):
            raise EmbeddedPostgresError(
                f"Another container, or a process hidden from us, runs PostgreSQL on {place.data}: stop it there."
            )
        yield descriptor
    finally:
        os.close(descriptor)


def _take(place: Place) -> int:
    began, said = time.monotonic(), False
    while True:
        descriptor = _open(place, place.lock_file)
        if _try(descriptor, place.lock_file):
            return descriptor
        os.close(descriptor)
        if not said and time.monotonic() - began > 3:
            say("Waiting for another process that is starting or stopping PostgreSQL ...")
            said = True
        time.sleep(0.05)


def _open(place: Place, path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    owner = place.home.stat()
    # Root may be the first to lock an ordinary user's folder, and must not shut that user out.
    Account(owner.st_uid, owner.st_gid).own(descriptor)
    return descriptor


def _try(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    # The folder may have been deleted and made anew meanwhile: a lock on a file without a name protects nothing.
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False
