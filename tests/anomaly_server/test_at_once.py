"""A whole answer is one piece on the wire; all others leave as gunicorn sends them."""

import socket
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from gunicorn.config import Config

from anomaly_server.at_once import AtOnce


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a connection that keeps apart what was sent apart."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def sent(ends: tuple[socket.socket, socket.socket], method: str, length: int | None, *pieces: bytes) -> list[bytes]:
    """What comes out of the other end, piece by piece."""
    request = SimpleNamespace(method=method, version=(1, 1), should_close=lambda: False)
    response = AtOnce(request, ends[0], Config())
    headers = [("Content-Type", "application/json"), ("X-Name", "Zo\xeb")]
    response.start_response("200 OK", headers if length is None else [*headers, ("Content-Length", str(length))])
    for piece in pieces:
        response.write(piece)
    response.close()
    found = []
    while True:
        try:
            found.append(ends[1].recv(1 << 16))
        except BlockingIOError:
            return found


def test_a_whole_answer_leaves_at_once(ends: tuple[socket.socket, socket.socket]) -> None:
    (answer,) = sent(ends, "GET", 7, b'{"a":1}')
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nServer: ")
    assert b"\r\nConnection: keep-alive\r\n" in head
    assert b"\r\nX-Name: Zo\xeb\r\n" in head
    assert head.endswith(b"\r\nContent-Length: 7")
    assert body == b'{"a":1}'


def test_an_answer_in_pieces_does_not(ends: tuple[socket.socket, socket.socket]) -> None:
    head, *body = sent(ends, "GET", 7, b'{"a"', b":1}")
    assert head.endswith(b"\r\n\r\n")
    assert body == [b'{"a"', b":1}"]


def test_one_without_a_length_is_sent_in_chunks(ends: tuple[socket.socket, socket.socket]) -> None:
    head, *body = sent(ends, "GET", None, b"abc")
    assert b"Transfer-Encoding: chunked" in head
    assert b"".join(body) == b"3\r\nabc\r\n0\r\n\r\n"


def test_a_body_longer_than_its_length_is_cut(ends: tuple[socket.socket, socket.socket]) -> None:
    assert b"".join(sent(ends, "GET", 2, b"abc")).endswith(b"\r\n\r\nab")


def test_what_has_no_body_gets_none(ends: tuple[socket.socket, socket.socket]) -> None:
    assert b"".join(sent(ends, "HEAD", 3, b"abc")).endswith(b"Content-Length: 3\r\n\r\n")
