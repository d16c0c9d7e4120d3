"""What a check found, in a line that never holds a secret."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db import connection


class Level(StrEnum):
    OK = "ok"
    # It works, and somebody should look at it.
    WARNING = "warning"
    # It does not work, or something can be lost or stolen.
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """`says` is what is; `do` what to do about it, empty where all is well."""

    check: str
    level: Level
    says: str
    do: str = ""


def ok(check: str, says: str) -> Finding:
    return Finding(check, Level.OK, says)


def warning(check: str, says: str, do: str) -> Finding:
    return Finding(check, Level.WARNING, says, do)


def error(check: str, says: str, do: str) -> Finding:
    return Finding(check, Level.ERROR, says, do)


def row(query: str, params: list[str] | None = None) -> tuple[Any, ...]:
    """The one row that the query has. Raises DatabaseError."""
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        found: tuple[Any, ...] = cursor.fetchone()
    return found


def lasted(seconds: float) -> str:
    """3 days, 4 h, 5 min or 6 s."""
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
