"""The processor time that programs on this machine have used, read from Linux' /proc."""

import os
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

from django.db import connection

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def of_program(pid: int) -> float:
    """Seconds of a program and of its children that are running."""
    return sum(map(_seconds, [pid, *_children(pid)]))


def of_database() -> float | None:
    """Seconds of PostgreSQL's sessions in this database, ours not; None where it runs on another machine."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT host(inet_server_addr())")
        address = cursor.fetchone()[0]
        if address is not None and not ip_address(address).is_loopback:
            return None
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return sum(_seconds(pid) for (pid,) in cursor.fetchall())


def _children(pid: int) -> Iterable[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


def _seconds(pid: int) -> float:
    try:
        # Behind the name, which may hold anything, but is in brackets.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    user, system = int(fields[11]), int(fields[12])
    return (user + system) / TICKS_A_SECOND
