"""How many requests a minute a key may make, counted together by all processes of all servers.

A process takes requests from the minute's common count in small shares, and lets them through from its share without
asking anybody. So a request costs no query but once a share, never more than the limit gets through in a minute, and
a key is refused early by no more than what other processes have left of theirs.
"""

import time
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

from django.db import connection

# The minute is cut in so many shares: at most so many queries a minute for one key, however fast it asks.
SHARES = 256
MINUTE_S = 60
# By the database's clock alone, which all servers share; a statement that waited into the next minute must not go back.
TAKE = """
    INSERT INTO api_key_minutes AS known (prefix, minute, taken)
    VALUES (%(prefix)s, date_trunc('minute', now()), %(share)s)
    ON CONFLICT (prefix) DO UPDATE SET
        taken = excluded.taken + CASE WHEN known.minute >= excluded.minute THEN known.taken ELSE 0 END,
        minute = greatest(known.minute, excluded.minute)
    RETURNING taken, extract(epoch FROM minute + interval '1 minute' - now())::float8
"""


class Verdict(NamedTuple):
    """Whether a request may pass, how many more may by what this process knows, and the seconds left of the minute."""

    passes: bool
    left: int
    ends_in: float


@dataclass
class _Minute:
    """What one process knows of a key's minute: its own share, what was common when it last looked, and its end."""

    limit: int
    ends: float
    share: int = 0
    common: int = 0


_minutes: dict[str, _Minute] = {}
_lock = Lock()


def ask(prefix: str, limit: int) -> Verdict:
    """May one more request of this key pass? `limit` is more than 0. One query, but only where a share is used up."""
    now = time.monotonic()
    with _lock:
        minute = _known(prefix, limit, now)
        if minute.share or not minute.common:
            return _spend(minute, now)
    taken, ends_in = _take(prefix, _share(limit))
    with _lock:
        minute = _known(prefix, limit, now)
        minute.ends = now + ends_in
        minute.share += max(0, _share(limit) - max(0, taken - limit))
        minute.common = max(0, limit - taken)
        return _spend(minute, now)


def _known(prefix: str, limit: int, now: float) -> _Minute:
    known = _minutes.get(prefix)
    if known is None or known.ends <= now or known.limit != limit:
        known = _minutes[prefix] = _Minute(limit, now + MINUTE_S, common=limit)
    return known


def _spend(minute: _Minute, now: float) -> Verdict:
    passes = minute.share > 0
    minute.share -= passes
    return Verdict(passes, minute.share + minute.common, max(0.0, minute.ends - now))


def _share(limit: int) -> int:
    return max(1, limit // SHARES)


def _take(prefix: str, share: int) -> tuple[int, float]:
    with connection.cursor() as cursor:
        cursor.execute(TAKE, {"prefix": prefix, "share": share})
        taken, ends_in = cursor.fetchone()
    return taken, ends_in
