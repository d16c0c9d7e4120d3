"""The live stream: server-sent events as an iterator that comes back by itself after its connection broke."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException, HTTPResponse
from types import TracebackType
from typing import Any, Self

from anomaly_client.sending import Opened, Sender, backoff

# The server says each 15 seconds that it is there.
SILENCE_S = 45.0
# Until the server says after how long to come back.
FIRST_RETRY_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened. `id` is what webhooks call it; `position` is where to go on after it."""

    position: int
    id: str
    kind: str
    at: datetime
    data: dict[str, Any]


class Stream:
    """The events from now on, or from after an event on: nothing is lost or comes twice while it is read.

    Listens as soon as it is made. A broken or silent connection is made anew, as often in a row as the client tries
    anything; then Unreachable is raised. Raises Gone where the server no longer has the events that were missed.
    """

    def __init__(self, sender: Sender, path: str, last_event_id: int | None, *, silence_s: float) -> None:
        self.last_event_id = last_event_id
        self._sender = sender
        self._path = path
        self._silence_s = silence_s
        self._retry_s = FIRST_RETRY_S
        self._opened: Opened | None = None
        self._ahead: Event | None = None
        self._is_closed = False
        self._open()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        while not self._is_closed:
            event, self._ahead = self._ahead, None
            if event is not None:
                self.last_event_id = event.position
                return event
            if self._opened is None:
                self._open()
                continue  # The first block may have been an event.
            try:
                self._read(self._opened)
            except (OSError, HTTPException):
                self._hang_up()
                # Apart from the wait that it asks for: many listeners lose their server at one instant.
                self._sender.sleep(self._retry_s + backoff(0))
        raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; there are no more events."""
        self._is_closed = True
        self._hang_up()

    def _hang_up(self) -> None:
        if self._opened is not None:
            self._opened.answer.close()
            self._opened.connection.close()
            self._opened = None

    def _open(self) -> None:
        self._opened = self._sender.tried(self._greeted)

    def _greeted(self) -> Opened:
        """A connection over which the server has said where we are: from there we can come back."""
        headers = {"Accept": "text/event-stream"}
        if self.last_event_id is not None:
            headers["Last-Event-ID"] = str(self.last_event_id)
        opened = self._sender.opened(self._path, headers, silence_s=self._silence_s)
        try:
            self._read(opened)
        except BaseException:
            opened.connection.close()
            raise
        return opened

    def _read(self, opened: Opened) -> None:
        """Take in the next block: an event, or that there was none up to some position."""
        told = block(opened.answer)
        if told.get("retry", "").isdecimal():
            self._retry_s = int(told["retry"]) / 1000
        if "data" in told:
            self._ahead = event_of(told)
        elif told.get("id", "").isdecimal():
            self.last_event_id = int(told["id"])


def block(answer: HTTPResponse) -> dict[str, str]:
    """The fields up to the next empty line, without comments. Raises ConnectionError where the stream ends before."""
    found: dict[str, str] = {}
    while line := answer.readline():
        text = line.decode().rstrip("\r\n")
        if not text:
            return found
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        found[name] = f"{found[name]}\n{value}" if name == "data" and name in found else value
    raise ConnectionResetError


def event_of(told: Mapping[str, str]) -> Event:
    body = json.loads(told["data"])
    return Event(
        position=int(told["id"]),
        id=body["id"],
        kind=body["type"],
        at=datetime.fromisoformat(body["timestamp"]),
        data=body["data"],
    )
