"""gunicorn's threaded worker, whose threads never wait for a client to send.

gunicorn gives a connection to a thread with its first byte: as many slow clients as there are threads stop everybody.
Here the loop that waits for connections also gathers each request, and a thread gets it when it is whole. What cannot
become whole in time, or is too large, is refused by the loop. The same loop hands those who listen to the live stream
over to the hub.
"""

import io
import re
import selectors
import socket
import struct
import tempfile
import time
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import IO, Any

import orjson
from gunicorn import http
from gunicorn.http.errors import ParseException
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn, ThreadWorker

from anomaly_server.at_once import AtOnce
from anomaly_server.chunks import IN_MEMORY, MOST_CHUNKS, READ_BYTES, Chunks, join
from anomaly_server.pacing import Paced

HEAD_END = b"\r\n\r\n"
MOST_HEAD = 64 * 1024
# A bulk request of 10 MiB, and what the view has to say of one that is a little larger.
MOST_BODY = 11 * 1024 * 1024
# Bodies on their way to one worker, together.
MOST_GATHERED = 256 * 1024 * 1024
HEAD_S = 10.0
# A body may come this slowly, not slower.
BODY_BYTES_A_SECOND = 16 * 1024
# How long the system sends a file to a client that takes nothing; of other answers see `pacing`.
SEND_S = 30
# After the last word, what a client still sends is read for so long; closing at once would take the answer from it.
LINGER_S = 2.0
OVERDUE_EVERY_S = 0.25
STOPPING_S = 2.0
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
EXPECTS = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
REFUSALS = {
    HTTPStatus.BAD_REQUEST: ("bad_chunks", "The chunks of the body cannot be read."),
    HTTPStatus.REQUEST_TIMEOUT: ("timeout", "The request did not come in time."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("too_large", "The body is larger than any that is taken."),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: ("headers_too_large", "The headers are larger than 64 KiB."),
    HTTPStatus.SERVICE_UNAVAILABLE: ("unavailable", "Too much is being sent at the moment. Try again."),
}


class Refusal(Exception):
    """A request that no thread gets to see."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status)
        self.status = status

    def document(self) -> bytes:
        """A problem document, as the API says no."""
        code, detail = REFUSALS[self.status]
        problem = {
            "type": f"urn:anomaly-server:problem:{code}",
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": detail,
            "errors": [],
            "request_id": "",
        }
        return orjson.dumps(problem)

    def answer(self) -> bytes:
        """The whole answer."""
        body = self.document()
        retry = "Retry-After: 5\r\n" if self.status == HTTPStatus.SERVICE_UNAVAILABLE else ""
        head = (
            f"HTTP/1.1 {int(self.status)} {self.status.phrase}\r\nContent-Type: application/problem+json\r\n{retry}"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body


class Coming:
    """A request on its way."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.head: bytearray | None = bytearray()
        self.store: IO[bytes] = io.BytesIO()
        self.has = 0
        # Known when the head has come; of chunks it is the most that they may be.
        self.needs: int | None = None
        self.chunks: Chunks | None = None
        self.body_began = 0.0

    def is_whole(self) -> bool:
        if self.chunks is not None:
            return self.chunks.has_ended
        return self.needs is not None and self.has >= self.needs

    def add(self, data: bytes) -> None:
        """Take what has come. Raises Refusal."""
        self.has += len(data)
        if self.head is None:
            self.add_to_body(data)
            return
        searched = max(0, len(self.head) - len(HEAD_END))
        self.head += data
        end = self.head.find(HEAD_END, searched)
        if end >= 0:
            self.end_head(end + len(HEAD_END))
        elif len(self.head) > MOST_HEAD:
            raise Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def end_head(self, length: int) -> None:
        assert self.head is not None
        begun, self.head = bytes(self.head), None
        head = begun[: length - 2]
        if CHUNKED.search(head):
            self.chunks, body = Chunks(), MOST_BODY
        else:
            found = LENGTH.search(head)
            body = int(found[1]) if found else 0
        if body > MOST_BODY:
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        self.needs = length + body
        if body > IN_MEMORY:
            self.store = tempfile.TemporaryFile()
        self.body_began = time.monotonic()
        self.store.write(begun[:length])
        self.add_to_body(begun[length:])
        self.expects = not self.is_whole() and EXPECTS.search(head) is not None

    def add_to_body(self, data: bytes) -> None:
        assert self.needs is not None
        self.store.write(data)
        self.deadline = self.body_began + HEAD_S + self.has / BODY_BYTES_A_SECOND
        if self.chunks is not None:
            self.chunks.add(data)
            if self.has > self.needs or self.chunks.count > MOST_CHUNKS:
                raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


class Gathered(SocketUnreader):  # type: ignore[misc]
    """Lets gunicorn read what has been gathered."""

    store: IO[bytes] | None = None

    def chunk(self, size_hint: int | None = None) -> bytes:
        if self.store is None:
            return b""  # Whatever the parser thinks is missing does not come: no thread waits for it.
        data = self.store.read(min(max(size_hint or 0, self.mxchunk), self.max_body_chunk))
        if not data:
            self.store.close()
            self.store = None
        return data

    def rest(self) -> bytes:
        """What came behind the request: the beginning of the next one."""
        read: bytes = self.take_buffered()
        return read + (self.store.read(READ_BYTES) if self.store else b"")


class WebWorker(ThreadWorker):  # type: ignore[misc]
    """See above."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.coming: dict[TConn, Coming] = {}
        self.leaving: dict[TConn, float] = {}
        self.listeners: dict[Any, Any] = {}
        self.gathered = 0
        self.looked_at = 0.0
        self.hub: Any = None
        self.wsgi: Any = None

    def load_wsgi(self) -> None:
        super().load_wsgi()
        # Only now: it imports models.
        from django.conf import settings

        from anomaly_server.hub import Hub

        self.hub = Hub(settings.STREAM_LISTENERS)
        self.wsgi = partial(self.answer, self.wsgi)

    def answer(self, application: Any, environ: dict[str, Any], start_response: Any) -> Any:
        """Call the application; an answer to a listener gets no end."""
        from anomalies.stream import LISTENER, ROOM

        if environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked":
            try:
                join(environ)
            except (OSError, ParseException):
                refusal = Refusal(HTTPStatus.BAD_REQUEST)
                start_response.__self__.force_close()
                start_response("400 Bad Request", [("Content-Type", "application/problem+json")])
                return [refusal.document()]
        # gunicorn has made it, and has no place to say of which kind.
        start_response.__self__.__class__ = AtOnce
        environ[ROOM] = self.hub.has_room
        body = application(environ, start_response)
        if LISTENER in environ:
            response = start_response.__self__
            response.chunked = False
            response.force_close()
            self.listeners[environ["gunicorn.socket"]] = environ[LISTENER]
        # A file is sent by the system.
        return body if isinstance(body, environ["wsgi.file_wrapper"]) else Paced(body, environ["gunicorn.socket"])

    def handle_request(self, req: Any, conn: TConn) -> bool:
        try:
            done: bool = super().handle_request(req, conn)
        except TimeoutError:
            # By then it has half an answer, and sees it.
            self.log.info("A client took its answer too slowly.")
            return False
        return done

    def accept(self, listener: socket.socket) -> None:
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        self.nr_conns += 1
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_S, 0))
        conn = TConn(self.cfg, client, address, listener.getsockname())
        conn.parser = http.get_parser(self.cfg, client, address)
        conn.parser.unreader = Gathered(client)
        conn.initialized = conn.data_ready = True
        self.gather(conn, HEAD_S)

    def gather(self, conn: TConn, patience_s: float, begun: bytes = b"") -> None:
        """Wait for the next request of the connection, of which the beginning may be there."""
        conn.sock.setblocking(False)
        coming = self.coming[conn] = Coming(time.monotonic() + patience_s)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_readable, conn))
        if begun:
            self.add(conn, coming, begun)

    def on_readable(self, conn: TConn, sock: socket.socket) -> None:
        try:
            data = sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        coming = self.coming[conn]
        if data:
            self.add(conn, coming, data)
        else:
            self.forget(conn)
            self.drop(conn)

    def add(self, conn: TConn, coming: Coming, data: bytes) -> None:
        if not coming.has:
            coming.deadline = time.monotonic() + HEAD_S
        in_head = coming.head is not None
        try:
            coming.add(data)
            if in_head and coming.needs is not None:
                self.begin_body(conn, coming)
        except Refusal as refusal:
            self.refuse(conn, refusal)
            return
        if coming.is_whole():
            self.forget(conn)
            coming.store.seek(0)
            conn.parser.unreader.store = coming.store
            self.enqueue_req(conn)

    def begin_body(self, conn: TConn, coming: Coming) -> None:
        assert coming.needs is not None
        self.gathered += coming.needs
        if self.gathered > MOST_GATHERED:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE)
        if coming.expects:
            with suppress(OSError):
                conn.sock.send(CONTINUE)

    def forget(self, conn: TConn) -> None:
        """It is not waited for any more."""
        self.gathered -= self.coming.pop(conn).needs or 0
        self.poller.unregister(conn.sock)

    def refuse(self, conn: TConn, refusal: Refusal) -> None:
        self.forget(conn)
        with suppress(OSError):
            conn.sock.send(refusal.answer())
        self.leave(conn)

    def leave(self, conn: TConn) -> None:
        """Close, when the client has had time to read what we said. gunicorn's own way would stop the loop."""
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.drop(conn)
            return
        self.leaving[conn] = time.monotonic() + LINGER_S
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_last_words, conn))

    def on_last_words(self, conn: TConn, sock: socket.socket) -> None:
        with suppress(BlockingIOError):
            try:
                heard = bool(sock.recv(READ_BYTES))
            except BlockingIOError:
                raise
            except OSError:
                heard = False
            if not heard:
                self.let_go(conn)

    def let_go(self, conn: TConn) -> None:
        del self.leaving[conn]
        self.poller.unregister(conn.sock)
        self.drop(conn)

    def drop(self, conn: TConn) -> None:
        self.nr_conns -= 1
        conn.close()

    def finish_request(self, conn: TConn, fs: Any) -> None:
        """A thread is done with the connection's request. Runs in the loop."""
        listener = self.listeners.pop(conn.sock, None)
        kept = not fs.cancelled() and fs.exception() is None and fs.result()
        if listener is not None:
            self.nr_conns -= 1
            self.hub.add(conn.sock, listener)
        elif kept:
            patience_s = self.cfg.keepalive if self.alive else STOPPING_S
            self.gather(conn, patience_s, conn.parser.unreader.rest())
        else:
            self.leave(conn)

    def murder_pending(self) -> None:
        """End what takes too long."""
        now = time.monotonic()
        if now - self.looked_at < OVERDUE_EVERY_S:
            return
        self.looked_at = now
        for conn, coming in list(self.coming.items()):
            if coming.deadline < now:
                if coming.has:
                    self.refuse(conn, Refusal(HTTPStatus.REQUEST_TIMEOUT))
                else:
                    self.forget(conn)
                    self.leave(conn)
        for conn, deadline in list(self.leaving.items()):
            if deadline < now:
                self.let_go(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        for coming in self.coming.values():
            if not coming.has:
                coming.deadline = min(coming.deadline, deadline)
