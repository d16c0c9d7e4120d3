"""Whoever takes an answer too slowly is hung up on, and the thread is free for others."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from uuid import UUID

import pytest
from django.db import connection

from anomaly_server import pacing
from tests.anomaly_server.serving import served
from tests.anomaly_server.test_export import MANY
from tests.api import BASE, used_key
from transactions import scopes

USER = UUID(int=1)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends between which little fits."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        yield ours, theirs


def reading(sock: socket.socket, *, pause_s: float, into: bytearray | None = None) -> threading.Thread:
    """Reads to the end, in small parts, with a pause after each."""
    read_so_far = bytearray() if into is None else into

    def read() -> None:
        while part := sock.recv(1024):
            read_so_far.extend(part)
            time.sleep(pause_s)

    thread = threading.Thread(target=read)
    thread.start()
    return thread


class Clock:
    """What `pacing` reads the time from; it goes on when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(pacing, "monotonic", lambda: self.now)


def send(pieces: list[bytes], ours: socket.socket) -> None:
    for piece in pacing.Paced(pieces, ours):
        ours.sendall(piece)


def test_many_small_reads_do_not_make_it_endless(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket's own timeout would begin anew with each of them."""
    monkeypatch.setattr(pacing, "PATIENCE_S", 0.2)
    ours, theirs = pair
    thread = reading(theirs, pause_s=0.05)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        send([bytes(64 * 1024)], ours)
    # All of it would take him 3.2 s, and he takes some of it every 0.05 s.
    assert time.monotonic() - began > 1.1
    ours.close()
    thread.join()


def test_whoever_keeps_the_pace_gets_all_of_it(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """He takes longer than our patience for all of it, and for no piece as long as he may: 4 s."""
    monkeypatch.setattr(pacing, "PATIENCE_S", 0.2)
    monkeypatch.setattr(pacing, "BYTES_A_SECOND", 4096)
    ours, theirs = pair
    taken = bytearray()
    thread = reading(theirs, pause_s=0.005, into=taken)
    send([bytes(16 * 1024)] * 8, ours)
    ours.close()
    thread.join()
    assert len(taken) == 8 * 16 * 1024


def test_time_to_make_pieces_does_not_count(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pair
    clock = Clock(monkeypatch)

    def slowly() -> Iterator[bytes]:
        for _ in range(3):
            clock.now += 10 * pacing.PATIENCE_S
            yield b"x"

    for piece in pacing.Paced(slowly(), ours):
        assert ours.gettimeout() == pytest.approx(pacing.PATIENCE_S, abs=0.01)
        ours.sendall(piece)
    assert theirs.recv(10) == b"xxx"


def test_a_piece_that_was_taken_too_late_leaves_a_moment_for_the_next(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, _ = pair
    clock = Clock(monkeypatch)
    for _piece in pacing.Paced([b"x"] * 2, ours):
        assert ours.gettimeout() > 0
        clock.now += 2 * pacing.PATIENCE_S


def test_a_fast_reader_saves_up_for_one_pause_and_no_more(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "PATIENCE_S", 0.3)
    ours, _ = pair
    clock = Clock(monkeypatch)
    pieces = iter(pacing.Paced([b"x" * 65536] * 20, ours))
    for _ in range(10):
        next(pieces)
    assert ours.gettimeout() == pytest.approx(1.3)
    clock.now += 1
    next(pieces)
    assert ours.gettimeout() == pytest.approx(1.3)


@pytest.mark.django_db(transaction=True)
def test_a_slow_export_gives_its_thread_back_and_the_reader_can_tell(tmp_path: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute(MANY, [USER, 0, 60_000])
    key = used_key(*scopes.ALL)
    only_one = {"WEB_CONCURRENCY": "1", "WEB_THREADS": "1", "LOG_LEVEL": "INFO"}
    log = tmp_path / "log"
    with served(log, "tests.anomaly_server.hasty", **only_one) as port, socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(300)
        slow.connect(("127.0.0.1", port))
        head = f"Host: localhost\r\nAuthorization: Bearer {key}\r\n\r\n"
        slow.sendall(f"GET {BASE}transactions/export/?as=ndjson HTTP/1.1\r\n{head}".encode())
        assert slow.recv(12) == b"HTTP/1.1 200"
        # He has read nothing more when another is answered by the only thread.
        with closing(HTTPConnection("127.0.0.1", port, timeout=300)) as other:
            other.request("GET", f"{BASE}transactions/?limit=1", headers={"Authorization": f"Bearer {key}"})
            assert other.getresponse().status == 200
        rest = b"".join(iter(lambda: slow.recv(1 << 20), b""))
    assert not rest.endswith(b"0\r\n\r\n")
    assert "took its answer too slowly" in log.read_text()
    assert "Traceback" not in log.read_text()
