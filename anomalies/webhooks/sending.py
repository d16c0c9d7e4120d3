"""One request to an endpoint. The standard library's client, because it connects where `targets` has looked, follows
no redirects and reads no more than it is told to.
"""

import http
import http.client
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from anomalies.webhooks import targets

# What is kept of an answer that is no success, for whoever looks for the fault.
KEPT_BYTES = 300
# Answers that may say when to come back, and how late we let them: as late as we ever come back by ourselves.
BUSY = (http.HTTPStatus.TOO_MANY_REQUESTS, http.HTTPStatus.SERVICE_UNAVAILABLE)
LONGEST_ASKED_S = 6 * 3600.0


class Policy(NamedTuple):
    """Where requests may go and how long one may take: to connect, and as long again to be answered."""

    timeout_s: float
    allow_private: bool = False
    allow_http: bool = False


class Answer(NamedTuple):
    """What came back; no status where nothing did, and then `error` says why."""

    status: int | None
    duration_ms: int
    error: str = ""
    # So long it asks to be left alone; 0 where it does not.
    asked_wait_s: float = 0.0

    def told(self) -> dict[str, Any]:
        """What the logs keep of it."""
        return {"status": self.status, "duration_ms": self.duration_ms, "error": self.error}

    @property
    def is_taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def post(url: str, body: bytes, headers: Mapping[str, str], policy: Policy) -> Answer:
    """Post the body. Never raises for what the other side does, or does not."""
    began = time.monotonic()
    try:
        status, error, wait_s = _exchange(url, body, headers, policy)
    # ValueError: a TargetError, and host names that cannot be encoded.
    except (OSError, http.client.HTTPException, ValueError) as fault:
        status, error, wait_s = None, _told(fault), 0.0
    return Answer(status, round(1_000 * (time.monotonic() - began)), error, wait_s)


def _exchange(url: str, body: bytes, headers: Mapping[str, str], policy: Policy) -> tuple[int, str, float]:
    target = targets.parse(url, allow_http=policy.allow_http)
    connection = targets.connect(target, timeout_s=policy.timeout_s, allow_private=policy.allow_private)
    with _closed_after(connection, policy.timeout_s):
        connection.request("POST", target.path, body, {**headers, "Host": target.host_header, "Connection": "close"})
        response = connection.getresponse()
        if 200 <= response.status < 300:
            return response.status, "", 0.0
        text = response.read(KEPT_BYTES).decode("utf-8", "replace").replace("\0", "")
        error = f"{response.status} {http.client.responses.get(response.status, '')}. {text}".strip()
        asked = response.getheader("Retry-After", "") if response.status in BUSY else ""
        return response.status, error, asked_wait_s(asked, time.time())


def asked_wait_s(text: str, now: float) -> float:
    """The seconds that a Retry-After asks for, a number or a date; 0 where it is neither. `now` since 1970."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_ASKED_S)
    try:
        at = parsedate_to_datetime(text)
        # GMT, even where it is not said.
        return min(max((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now, 0.0), LONGEST_ASKED_S)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0


@contextmanager
def _closed_after(connection: http.client.HTTPConnection, seconds: float) -> Iterator[None]:
    """Ends the exchange after so many seconds, also one that goes on byte by byte: a socket's own timeout is anew
    with each of them.
    """
    ended = threading.Event()
    plain = connection.sock

    def end() -> None:
        ended.set()
        with suppress(OSError):
            plain.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException):
        if ended.is_set():
            raise TimeoutError(f"no answer within {seconds:g} s") from None
        raise
    finally:
        timer.cancel()
        connection.close()


def _told(fault: Exception) -> str:
    kind = "" if isinstance(fault, targets.TargetError) else f"{type(fault).__name__}: "
    return f"{kind}{fault}"[:KEPT_BYTES]
