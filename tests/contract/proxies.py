"""A server in front of the real one that spoils its answers, as a fault in a view would, or loses them."""

import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Spoil = Callable[[str, int, bytes], tuple[int, bytes]]
HOP_BY_HOP = {"connection", "content-length", "date", "host", "server", "transfer-encoding"}


class Gone(Exception):
    """The server dies before it answers."""


@contextmanager
def spoiled(address: str, spoil: Spoil) -> Iterator[str]:
    """The proxy's address. `spoil` gets path, status and body of each answer, and says what to answer.

    If it raises Gone, the connection ends without an answer: the request was done all the same.
    """

    class Proxy(BaseHTTPRequestHandler):
        def do_any(self) -> None:
            status, headers, body = passed_on(self, address)
            try:
                status, body = spoil(self.path, status, body)
            except Gone:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_any  # noqa: N815
        do_HEAD = do_OPTIONS = do_TRACE = do_any  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with serving(Proxy) as own:
        yield own


def passed_on(asked: BaseHTTPRequestHandler, address: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """What the real server answers: status, headers, body."""
    length = int(asked.headers.get("Content-Length") or 0)
    body = asked.rfile.read(length) if length else None
    headers = {name: value for name, value in asked.headers.items() if name.lower() not in HOP_BY_HOP}
    request = urllib.request.Request(address + asked.path, data=body, headers=headers, method=asked.command)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, answer.getheaders(), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, list(error.headers.items()), error.read()


@contextmanager
def answering(
    answers: Sequence[tuple[int, Mapping[str, str], bytes] | None],
    note: Callable[[BaseHTTPRequestHandler], None] = lambda _: None,
) -> Iterator[str]:
    """The address of a server that gives these answers one after the other; None: it stays silent."""
    left = list(answers)
    over = threading.Event()

    class Fixed(BaseHTTPRequestHandler):
        def do_any(self) -> None:
            note(self)
            answer = left.pop(0)
            if answer is None:
                over.wait(60)
                self.close_connection = True
                return
            status, headers, body = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_any  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with serving(Fixed) as address:
        yield address
        over.set()


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Line:
    """A connection between a client and a server that can be cut: neither of them is told why."""

    def __init__(self, address: str) -> None:
        self.server = (urlsplit(address).hostname, urlsplit(address).port)
        self.sockets: list[socket.socket] = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listening.getsockname()[1]}"

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.listening.accept()
                far = socket.create_connection(self.server)
                self.sockets += [near, far]
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    def cut(self) -> None:
        for one in self.sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self.sockets.clear()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while block := source.recv(1 << 16):
                target.sendall(block)
            target.shutdown(socket.SHUT_WR)


@contextmanager
def severable(address: str) -> Iterator[Line]:
    line = Line(address)
    thread = threading.Thread(target=line.serve, daemon=True)
    thread.start()
    try:
        yield line
    finally:
        # Else accept() waits on.
        with suppress(OSError):
            line.listening.shutdown(socket.SHUT_RDWR)
        line.listening.close()
        line.cut()
        thread.join()
