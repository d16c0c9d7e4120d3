"""The settings of the server, written anew at every start so that a new release's settings take effect."""

import contextlib
import hashlib
import os
import secrets
import stat
from pathlib import Path
from string import Template

import psutil

from anomaly_server.embedded_postgres.errors import EmbeddedPostgresError
from anomaly_server.embedded_postgres.place import Account, Place
from anomaly_server.embedded_postgres.processes import PORT, SOCKET

TEMPLATE = Template((Path(__file__).parent / "postgresql.conf.template").read_text())
POSTGRESQL_CONF = "include 'anomaly.conf'\ninclude_if_exists 'local.conf'\n"
# Passwords even on the socket: whoever can reach the file still has to know one.
PG_HBA_CONF = "local all all scram-sha-256\n"
MIB = 2**20
# A socket's path may have 107 bytes; a comma would make libpq see two hosts.
LONGEST_SOCKET = 100
UNFIT = set(",'\"\\\n")
TEMPORARY = Path("/tmp")  # noqa: S108  # Not TMPDIR: processes with different ones must agree on the folder.


def write(place: Place, *, durable: bool) -> Path:
    """Write the configuration of `place` and return the folder of its socket."""
    socket_folder = socket_folder_of(place)
    values = {**_memory(), **_shared_memory(), "port": PORT, "socket_folder": socket_folder}
    values |= {"fsync": "on", "full_page_writes": "on"}
    if not durable:
        values |= {"fsync": "off", "full_page_writes": "off", "shared_buffers": "128MB"}
    write_private(place.data / "anomaly.conf", TEMPLATE.substitute(values), place.account)
    write_private(place.data / "postgresql.conf", POSTGRESQL_CONF, place.account)
    write_private(place.data / "pg_hba.conf", PG_HBA_CONF, place.account)
    return socket_folder


def write_private(path: Path, text: str, account: Account) -> None:
    """Put the text into a file of mode 0600 of the account, whole or not at all."""
    half = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    # O_EXCL follows no link: root writes into a folder of an account that it must not trust.
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w") as file:
            account.own(descriptor)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        half.rename(path)
    except BaseException:
        half.unlink(missing_ok=True)
        raise


def socket_folder_of(place: Place) -> Path:
    """The folder for the server's socket: its data, or a short private one where that path is too long."""
    path = str(place.data / SOCKET)
    if len(os.fsencode(path)) <= LONGEST_SOCKET and not UNFIT & set(path):
        return place.data
    digest = hashlib.sha256(os.fsencode(place.data)).hexdigest()[:12]
    folder = TEMPORARY / f"anomaly-postgres-{place.account.uid}-{digest}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        place.account.own(folder)
    found = folder.lstat()
    # Anybody may make folders there: one that somebody planted would be theirs to listen in.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != place.account.uid or stat.S_IMODE(found.st_mode) != 0o700:
        raise EmbeddedPostgresError(
            f"{folder} is not a private folder of {place.account.name}: remove it, or set EMBEDDED_POSTGRES_DIR to a "
            f"path so short that the socket fits into it ({LONGEST_SOCKET} bytes)."
        )
    return folder


def _memory() -> dict[str, str]:
    memory = memory_bytes()
    return {
        "shared_buffers": _mib(memory // 8, low=128, high=2048),
        "effective_cache_size": _mib(memory // 2, low=256, high=1_048_576),
        "maintenance_work_mem": _mib(memory // 16, low=64, high=1024),
        "work_mem": _mib(memory // 512, low=8, high=64),
    }


def _mib(size: int, *, low: int, high: int) -> str:
    return f"{min(max(size // MIB, low), high)}MB"


def memory_bytes() -> int:
    """The memory that this process may use: the machine's, or its container's where that is less."""
    sizes = [psutil.virtual_memory().total]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            sizes.append(int((Path("/sys/fs/cgroup") / name).read_text()))
    return min(sizes)


def _shared_memory() -> dict[str, str]:
    with contextlib.suppress(OSError):
        room = os.statvfs("/dev/shm")  # noqa: S108  # PostgreSQL's own place for it, not a file of ours.
        if room.f_blocks * room.f_frsize >= 512 * MIB:
            return {"dynamic_shared_memory_type": "posix"}
    return {"dynamic_shared_memory_type": "sysv"}
