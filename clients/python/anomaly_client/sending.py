"""One request and its answer: over one connection that stays open, again while that may help."""

import random
from collections.abc import Callable, Mapping
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

from anomaly_client.errors import ApiError, Unreachable, error_of

# Sending it again may help: too many requests, or nobody there at the moment.
PASSING = {429, 502, 503, 504}
# The first of two requests with one key is still at work.
IN_USE = "idempotency_key_in_use"
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 30.0
Given = TypeVar("Given")


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Opened(NamedTuple):
    """An answer whose body is still to be read, and its connection, which must be closed."""

    connection: HTTPConnection
    answer: HTTPResponse


class Sender:
    """Sends requests of one thread. Everything it sends is harmless to repeat: reads, and writes with a key."""

    def __init__(
        self, server: str, headers: Mapping[str, str], *, timeout_s: float, tries: int, sleep: Callable[[float], None]
    ) -> None:
        address = urlsplit(server)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError("The server's address must be like https://anomaly.example.com")
        kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
        self._connect: Callable[[], HTTPConnection] = partial(kind, address.hostname, address.port, timeout=timeout_s)
        self._connection = self._connect()
        self._prefix = address.path.rstrip("/")
        self._headers = dict(headers)
        self._tries = tries
        self.sleep = sleep

    def send(self, method: str, path: str, body: bytes | None = None, more: Mapping[str, str] | None = None) -> Answer:
        """A 2xx answer. Raises an ApiError, or Unreachable."""
        return self.tried(lambda: self._once(method, path, body, more or {}))

    def tried(self, once: Callable[[], Given]) -> Given:
        """What `once` gives, asked again while that may help. Raises an ApiError, or Unreachable."""
        for waited in range(self._tries):
            is_last = waited == self._tries - 1
            wait = backoff(waited)
            try:
                return once()
            except (OSError, HTTPException) as fault:
                if is_last:
                    # Without its text and cause: they could hold the headers, and the key is in them.
                    raise Unreachable(f"{type(fault).__name__} after {self._tries} tries.") from None
            except ApiError as error:
                wait = max(error.wait_s, wait)
                may_pass = error.status in PASSING or error.code == IN_USE
                if is_last or wait > LONGEST_WAIT_S or not may_pass:
                    raise
            self.sleep(wait)
        raise ValueError("tries must be 1 or more.")

    def opened(self, path: str, more: Mapping[str, str], *, silence_s: float) -> Opened:
        """An answer that goes on, over a connection of its own that breaks after so long a silence. Tried once."""
        connection = self._connect()
        try:
            connection.connect()
            connection.sock.settimeout(silence_s)
            connection.request("GET", self._prefix + path, headers={**self._headers, **more})
            answer = connection.getresponse()
            if answer.status >= 300:
                raise _error(Answer(answer.status, dict(answer.getheaders()), answer.read()))
        except BaseException:
            connection.close()
            raise
        return Opened(connection, answer)

    def close(self) -> None:
        self._connection.close()

    def _once(self, method: str, path: str, body: bytes | None, more: Mapping[str, str]) -> Answer:
        try:
            self._connection.request(method, self._prefix + path, body, {**self._headers, **more})
            found: HTTPResponse = self._connection.getresponse()
            answer = Answer(found.status, dict(found.getheaders()), found.read())
        except (OSError, HTTPException):
            self.close()
            raise
        if answer.status >= 300:
            raise _error(answer)
        return answer


def _error(answer: Answer) -> ApiError:
    error = error_of(answer.status, answer.body)
    error.wait_s = asked_wait(answer.headers)
    return error


def backoff(waited: int) -> float:
    """Seconds before the next try: anything up to a bound that doubles, so that many clients spread."""
    bound: float = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**waited)
    return random.uniform(0.5, 1) * bound


def asked_wait(headers: Mapping[str, str]) -> float:
    """The seconds of Retry-After; 0 without it, or where a proxy wrote a date."""
    text = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    return float(text) if text.isascii() and text.isdigit() else 0.0
