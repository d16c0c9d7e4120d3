"""One request to an endpoint. The standard library's client, because it connects where `targets` has looked, follows
no redirects and reads no more than it is told to.
"""

import http.client
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple

from anomalies.webhooks import targets

# What is kept of an answer that is no success, for whoever looks for the fault.
KEPT_BYTES = 300


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

    @property
    def is_taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def post(url: str, body: bytes, headers: Mapping[str, str], policy: Policy) -> Answer:
    """Post the body. Never raises for what the other side does, or does not."""
    began = time.monotonic()
    try:
        status, error = _exchange(url, body, headers, policy)
    # ValueError: a TargetError, and host names that cannot be encoded.
    except (OSError, http.client.HTTPException, ValueError) as fault:
        status, error = None, _told(fault)
    return Answer(status, round(1_000 * (time.monotonic() - began)), error)


def _exchange(url: str, body: bytes, headers: Mapping[str, str], policy: Policy) -> tuple[int, str]:
    target = targets.parse(url, allow_http=policy.allow_http)
    connection = targets.connect(target, timeout_s=policy.timeout_s, allow_private=policy.allow_private)
    with _closed_after(connection, policy.timeout_s):
        connection.request("POST", target.path, body, {**headers, "Host": target.host_header, "Connection": "close"})
        response = connection.getresponse()
        if 200 <= response.status < 300:
            return response.status, ""
        text = response.read(KEPT_BYTES).decode("utf-8", "replace").replace("\0", "")
        return response.status, f"{response.status} {http.client.responses.get(response.status, '')}. {text}".strip()


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
