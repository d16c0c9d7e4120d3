"""Clients that are slow, or send too much: they stop nobody else, and fill no memory.

SLOW_CLIENTS says how many there are of each kind, and makes the test compare times; `make faults` sets it.
"""

import gzip
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from itertools import count, islice
from statistics import quantiles

import pytest

from tests.faults.serving import BASE, Site, payment

MANY = int(os.environ.get("SLOW_CLIENTS", "0"))
CLIENTS = MANY or 24
ASKED = 400 if MANY else 40
MEMORY = 50 * 1024 * 1024
# Each payment is a new one: to find that one is known takes longer than to store it.
NUMBERS = count()
pytestmark = pytest.mark.slow


class Dripping(threading.Thread):
    """Sends the next bytes on each of its connections, some times a second."""

    def __init__(self, connections: list[socket.socket], text: bytes) -> None:
        super().__init__(daemon=True)
        self.connections, self.text = connections, text
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(0.3):
            for one in self.connections:
                with suppress(OSError):
                    one.send(self.text)


def connect(site: Site, text: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", site.port), timeout=120)
    connection.sendall(text)
    return connection


def head(site: Site, *lines: str) -> bytes:
    more = "".join(f"{line}\r\n" for line in lines)
    return (
        f"POST {BASE}transactions/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {site.key}\r\n"
        f"Content-Type: application/json\r\n{more}"
    ).encode()


def status(connection: socket.socket) -> int:
    """Of the answer, the connection then having been ended by the server."""
    text = b""
    with closing(connection), suppress(ConnectionResetError):
        while chunk := connection.recv(65536):
            text += chunk
    return int(text.split(b" ", 2)[1])


def times(site: Site) -> Iterator[float]:
    with closing(site.connect()) as connection:
        for number in islice(NUMBERS, ASKED):
            began = time.perf_counter()
            body = payment(number) if number % 4 == 0 else None
            assert site.ask(f"{BASE}transactions/", body, connection=connection).status in (200, 201)
            yield time.perf_counter() - began


def p95(found: Iterator[float]) -> float:
    return quantiles(found, n=20)[-1]


@pytest.mark.parametrize("kind", ["headers", "bodies", "chunks"])
def test_slow_clients_stop_nobody(site: Site, kind: str) -> None:
    calm = p95(times(site))
    before = site.memory()
    begun = {
        "headers": head(site, "Content-Length: 60000") + b"X-Slow: ",
        "bodies": head(site, "Content-Length: 60000") + b"\r\n{",
        "chunks": head(site, "Transfer-Encoding: chunked") + b"\r\nea60\r\n{",
    }[kind]
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(connect(site, begun))) for _ in range(CLIENTS)]
        drip = Dripping(connections, b"a")
        drip.start()
        slowed = p95(times(site))
        grown = site.memory() - before
        if MANY and kind == "headers":
            assert status(connections[0]) == 408
        drip.stopped.set()
        drip.join()
    assert grown < MEMORY
    # A loaded machine's times say nothing; that all were answered does.
    if MANY:
        sys.stderr.write(f"\n{kind}: p95 {calm:.4f} s, beside {MANY} slow clients {slowed:.4f} s; {grown:,} bytes\n")
        assert slowed <= 2 * calm


def test_ten_gibibytes_are_refused_before_they_come(site: Site) -> None:
    before = site.memory()
    assert status(connect(site, head(site, f"Content-Length: {10 * 1024**3}") + b"\r\n")) == 413
    flooding = connect(site, head(site, f"Content-Length: {10 * 1024**3}") + b"\r\n")
    with suppress(OSError):
        for _ in range(1_000):
            flooding.sendall(bytes(65536))
    flooding.close()
    assert site.memory() - before < MEMORY
    assert site.ask(f"{BASE}transactions/").status == 200


def test_headers_and_chunks_without_end_are_refused(site: Site) -> None:
    assert status(connect(site, head(site) + b"X: " + b"a" * 70_000)) == 431
    chunked = head(site, "Transfer-Encoding: chunked") + b"\r\n"
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    assert status(connect(site, chunked + piece * 200)) == 413
    closing_ = head(site, "Transfer-Encoding: chunked", "Connection: close") + b"\r\n"
    # Whole, but no transaction.
    assert status(connect(site, closing_ + b"2;a=b\r\n{}\r\n0\r\nX: y\r\n\r\n")) == 400
    assert status(connect(site, closing_ + b"nonsense\r\n")) == 400


def test_a_gzip_bomb_is_not_unpacked(site: Site) -> None:
    before = site.memory()
    bomb = gzip.compress(bytes(40 * 1024**2))
    text = head(site, f"Content-Length: {len(bomb)}", "Content-Encoding: gzip", "Connection: close") + b"\r\n" + bomb
    assert status(connect(site, text)) == 415
    assert site.memory() - before < MEMORY


def test_requests_that_come_in_pieces_or_together_are_answered_in_their_order(site: Site) -> None:
    asked = f"GET {BASE}transactions/?limit=1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {site.key}\r\n"
    both = (asked + "\r\n" + asked + "Connection: close\r\n\r\n").encode()
    for pieces in (len(both), 100, 7):
        with closing(socket.create_connection(("127.0.0.1", site.port), timeout=120)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for start in range(0, len(both), pieces):
                connection.sendall(both[start : start + pieces])
            text = b""
            while chunk := connection.recv(65536):
                text += chunk
        assert text.count(b"HTTP/1.1 200 OK\r\n") == 2
