"""One thread of each server process that serves all listeners of the live stream, from one LISTEN connection.

A listener costs a socket and a few kilobytes, and neither a thread nor a connection to the database. The threads that
answer requests hand the sockets over (see web_worker.py) and go on.
"""

import selectors
import socket
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import psycopg
import structlog
from django.db import DatabaseError, connection

from anomalies import outbox, stream
from transactions import keys

log = structlog.get_logger(__name__)

HEARTBEAT_S = 15.0
RIGHTS_S = 30.0
# Also without being told: a notification is lost with the connection.
READ_AT_LEAST_EVERY_S = 5.0
# Many commits within this time are one.
READ_AT_MOST_EVERY_S = 0.02
EVENTS_AT_ONCE = 500
# What one listener leaves unread before the next page of what it missed is read, and before its connection is ended:
# it may come back and go on.
UNREAD_BEFORE_NEXT = 256 * 1024
UNREAD_MOST = 1024 * 1024


@dataclass(eq=False)
class Connection:
    """A listener, its socket, and what that has not taken yet."""

    socket: socket.socket
    listener: stream.Listener
    unread: bytearray = field(default_factory=bytearray)
    # Has missed events that the others have heard.
    behind: bool = True


class Hub:
    """Holds the listeners' connections; `add` may be called from any thread."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.connections: set[Connection] = set()
        self.new: deque[Connection] = deque()
        self.position = 0
        self.selector = selectors.DefaultSelector()
        self.woken, self.waker = socket.socketpair()
        self.woken.setblocking(False)
        self.selector.register(self.woken, selectors.EVENT_READ)
        self.listening: psycopg.Connection[Any] | None = None
        self.listening_fd = -1
        self.thread: threading.Thread | None = None
        self.news = True
        self.read_at = self.told_at = self.rights_at = 0.0

    def has_room(self) -> bool:
        return len(self.connections) + len(self.new) < self.most

    def add(self, sock: socket.socket, listener: stream.Listener) -> None:
        """From now on the socket is ours."""
        sock.setblocking(False)
        self.new.append(Connection(sock, listener))
        if self.thread is None:
            self.thread = threading.Thread(target=self.run, name="hub", daemon=True)
            self.thread.start()
        self.waker.send(b"\0")

    def run(self) -> None:
        while True:
            try:
                self.turn()
            except (DatabaseError, psycopg.Error) as error:
                # Nothing is lost: positions have not moved. The listeners stay, and hear on when it is back.
                log.warning("stream_without_database", error=str(error).partition("\n")[0])
                self.forget_database()
                threading.Event().wait(1)
            except Exception:
                log.exception("stream_failed")
                threading.Event().wait(1)

    def turn(self) -> None:
        """Wait until something happens, and tell whom it concerns."""
        for key, _ in self.selector.select(self.patience()):
            self.take(key.fileobj)
        now = monotonic()
        if now - self.told_at > HEARTBEAT_S:
            self.told_at = now
            self.tell_alive()
        if now - self.rights_at > RIGHTS_S:
            self.rights_at = now
            self.end_those_without_right()
        due = READ_AT_MOST_EVERY_S if self.news or self.new else READ_AT_LEAST_EVERY_S
        if now - self.read_at > due and (self.connections or self.new):
            self.advance()
        for one in [one for one in self.connections if one.behind]:
            self.catch_up(one)
        self.flush()
        connection.close()

    def patience(self) -> float:
        if any(one.behind and len(one.unread) < UNREAD_BEFORE_NEXT for one in self.connections):
            return 0.0
        return READ_AT_MOST_EVERY_S if self.news or self.new else 1.0

    def take(self, ready: Any) -> None:
        """One of our sockets is ready: we are woken, the database has news, a listener reads on or has gone."""
        if ready is self.woken:
            self.woken.recv(4096)
        elif ready == self.listening_fd:
            assert self.listening
            for _ in self.listening.notifies(timeout=0):
                self.news = True
        else:
            self.hear(ready)

    def hear(self, sock: socket.socket) -> None:
        """A listener has nothing to say: whatever comes is let go, until it hangs up."""
        with suppress(BlockingIOError):
            try:
                gone = not sock.recv(4096)
            except BlockingIOError:
                raise
            except OSError:
                gone = True
            if gone:
                self.end(self.selector.get_key(sock).data)

    def advance(self) -> None:
        """Read what is new, once for all, and take in who is new."""
        self.listen()
        arriving = [self.new.popleft() for _ in range(len(self.new))]
        if not self.connections:
            # Nobody has heard anything from here: begin where the first of them is.
            self.position = min((one.listener.position for one in arriving), default=self.position)
        self.news = False
        self.read_at = monotonic()
        while True:
            try:
                events = outbox.read_after(self.position, limit=EVENTS_AT_ONCE)
            except DatabaseError:
                self.news = True
                self.new.extendleft(reversed(arriving))
                raise
            self.pass_on(events)
            if len(events) < EVENTS_AT_ONCE:
                break
        for one in arriving:
            self.connections.add(one)
            self.selector.register(one.socket, selectors.EVENT_READ, one)

    def pass_on(self, events: list[outbox.Written]) -> None:
        for event in events:
            text = stream.written(event)
            for one in self.connections:
                if not one.behind:
                    if one.listener.wants(event):
                        one.unread += text
                    one.listener.position = event.position
            self.position = event.position

    def catch_up(self, one: Connection) -> None:
        """Read what this one has missed, up to where the others are."""
        if len(one.unread) > UNREAD_BEFORE_NEXT:
            return
        events = one.listener.missed(EVENTS_AT_ONCE)
        for event in events:
            if event.position > self.position:
                break
            one.unread += stream.written(event)
            one.listener.position = event.position
        else:
            if len(events) == EVENTS_AT_ONCE:
                return
        one.listener.position = max(one.listener.position, self.position)
        one.behind = False

    def flush(self) -> None:
        """Send what the sockets take."""
        for one in list(self.connections):
            if one.unread:
                try:
                    del one.unread[: one.socket.send(one.unread)]
                except BlockingIOError:
                    pass
                except OSError:
                    self.end(one)
                    continue
            if len(one.unread) > UNREAD_MOST:
                self.end(one)
                continue
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if one.unread else 0)
            if self.selector.get_key(one.socket).events != wanted:
                self.selector.modify(one.socket, wanted, one)

    def tell_alive(self) -> None:
        for one in self.connections:
            if not one.behind:
                one.unread += stream.heartbeat(one.listener.position)

    def end_those_without_right(self) -> None:
        """Keys are revoked and expire, sessions end."""
        prefixes = {one.listener.key for one in self.connections if one.listener.key}
        usable = keys.usable(prefixes, "stream:read") if prefixes else set()
        for one in list(self.connections):
            if one.listener.has_ended() or (one.listener.key and one.listener.key not in usable):
                self.end(one)

    def end(self, one: Connection) -> None:
        self.connections.discard(one)
        with suppress(KeyError, ValueError):
            self.selector.unregister(one.socket)
        one.socket.close()

    def listen(self) -> None:
        """Be told of commits, by a connection of our own."""
        if self.listening and not self.listening.closed:
            return
        self.forget_database()
        self.listening = psycopg.connect(**connection.get_connection_params(), autocommit=True)
        self.listening.execute(f"LISTEN {outbox.CHANNEL}")
        self.listening_fd = self.listening.fileno()
        self.selector.register(self.listening_fd, selectors.EVENT_READ)

    def forget_database(self) -> None:
        connection.close()
        self.news = True
        if self.listening:
            with suppress(KeyError, ValueError):
                self.selector.unregister(self.listening_fd)
            self.listening.close()
            self.listening = None
