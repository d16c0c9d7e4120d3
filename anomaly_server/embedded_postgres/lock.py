"""The lock under which a server is made, started and stopped.

An flock: the kernel releases it when its holder ends, however it ends, so a killed starter blocks nobody.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

from anomaly_server.embedded_postgres.errors import say
from anomaly_server.embedded_postgres.place import Account, Place


@contextlib.contextmanager
def exclusive(place: Place) -> Iterator[None]:
    """Hold the lock of `place`; wait for it as long as another process holds it, and say so."""
    descriptor = _take(place)
    try:
        yield
    finally:
        os.close(descriptor)


def _take(place: Place) -> int:
    began, said = time.monotonic(), False
    while True:
        descriptor = _open(place)
        if _try(descriptor, place):
            return descriptor
        os.close(descriptor)
        if not said and time.monotonic() - began > 3:
            say("Waiting for another process that is starting or stopping PostgreSQL ...")
            said = True
        time.sleep(0.05)


def _open(place: Place) -> int:
    descriptor = os.open(place.lock_file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    owner = place.home.stat()
    # Root may be the first to lock an ordinary user's folder, and must not shut that user out.
    Account(owner.st_uid, owner.st_gid).own(descriptor)
    return descriptor


def _try(descriptor: int, place: Place) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    # The folder may have been deleted and made anew meanwhile: a lock on a file without a name protects nothing.
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), place.lock_file.stat())
    return False
