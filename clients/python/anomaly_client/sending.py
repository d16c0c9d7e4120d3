"""One request and its answer: over one connection that stays open, again while that may help."""

import random
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import NamedTuple
from urllib.parse import urlsplit

from anomaly_client.errors import Unreachable, error_of

# Sending it again may help: too many requests, or nobody there at the moment.
PASSING = {429, 502, 503, 504}
# The first of two requests with one key is still at work.
IN_USE = "idempotency_key_in_use"
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 30.0


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Sender:
    """Sends requests of one thread. Everything it sends is harmless to repeat: reads, and writes with a key."""

    def __init__(
        self, server: str, headers: Mapping[str, str], *, timeout_s: float, tries: int, sleep: Callable[[float], None]
    ) -> None:
        address = urlsplit(server)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError("The server's address must be like https://anomaly.example.com")
        kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
        self._connection: HTTPConnection = kind(address.hostname, address.port, timeout=timeout_s)
        self._prefix = address.path.rstrip("/")
        self._headers = dict(headers)
        self._tries = tries
        self._sleep = sleep

    def send(self, method: str, path: str, body: bytes | None = None, more: Mapping[str, str] | None = None) -> Answer:
        """A 2xx answer. Raises an ApiError, or Unreachable."""
        for left in range(self._tries - 1, -1, -1):
            waited = self._tries - 1 - left
            try:
                answer = self._once(method, path, body, {**self._headers, **(more or {})})
            except (OSError, HTTPException) as fault:
                self.close()
                if not left:
                    # Without its text and cause: they could hold the headers, and the key is in them.
                    raise Unreachable(f"{type(fault).__name__} after {self._tries} tries.") from None
                self._sleep(backoff(waited))
                continue
            if answer.status < 300:
                return answer
            error = error_of(answer.status, answer.body)
            wait = max(asked_wait(answer.headers), backoff(waited))
            if not left or wait > LONGEST_WAIT_S or not (answer.status in PASSING or error.code == IN_USE):
                raise error
            self._sleep(wait)
        raise ValueError("tries must be 1 or more.")

    def close(self) -> None:
        self._connection.close()

    def _once(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        self._connection.request(method, self._prefix + path, body, dict(headers))
        answer: HTTPResponse = self._connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())


def backoff(waited: int) -> float:
    """Seconds before the next try: anything up to a bound that doubles, so that many clients spread."""
    bound: float = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**waited)
    return random.uniform(0.5, 1) * bound


def asked_wait(headers: Mapping[str, str]) -> float:
    """The seconds of Retry-After; 0 without it, or where a proxy wrote a date."""
    text = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    return float(text) if text.isascii() and text.isdigit() else 0.0
