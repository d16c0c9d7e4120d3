"""Other people's servers, on this machine: they take webhooks, or do not."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from standardwebhooks import Webhook


@dataclass
class Taken:
    """One request that came."""

    path: str
    headers: dict[str, str]
    body: str

    @property
    def content(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    def verified(self, secret: str) -> dict[str, Any]:
        """The content, as the library lets it through. Raises WebhookVerificationError."""
        found: dict[str, Any] = Webhook(secret).verify(self.body, self.headers)
        return found


@dataclass
class Receiver:
    """A server that answers with `status_of` each request, and remembers all."""

    url: str
    status_of: Callable[[Taken], int] = lambda _: 204
    taken: list[Taken] = field(default_factory=list)
    # Of its answers.
    headers: dict[str, str] = field(default_factory=dict)
    # False where `status_of` says which requests are remembered.
    keeps_all: bool = True

    def numbers(self) -> list[int]:
        """The `number` in the data of each message, as they came."""
        return [one.content["data"]["number"] for one in self.taken]


@contextmanager
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            taken = Taken(self.path, dict(self.headers.items()), body)
            if found.keeps_all:
                found.taken.append(taken)
            status = found.status_of(taken)
            self.send_response(status)
            if status in (301, 307):
                self.send_header("Location", f"{found.url}elsewhere")
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Receiver(f"http://127.0.0.1:{server.server_address[1]}/")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# As long as nobody waits who does what he should.
FOR_EVER_S = 60.0


@contextmanager
def silent(first: bytes = b"", drop: bytes = b"", every_s: float = 0.1) -> Iterator[str]:
    """The URL of a server that takes the connection, says `first`, then `drop` now and then, for as good as ever."""
    over, open_ = threading.Event(), []

    def serve(connection: socket.socket) -> None:
        ends = time.monotonic() + FOR_EVER_S
        with connection:
            try:
                connection.sendall(first)
                while not over.wait(every_s) and time.monotonic() < ends:
                    connection.sendall(drop)
            except OSError:
                return

    def work() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            thread = threading.Thread(target=serve, args=(connection,))
            open_.append(thread)
            thread.start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        accepting = threading.Thread(target=work)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)
    accepting.join()
    for thread in open_:
        thread.join()


def nobody() -> str:
    """The URL of a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{urlsplit('//x:' + str(server.getsockname()[1])).port}/"
