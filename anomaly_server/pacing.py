"""Answers must be taken at a pace: whoever reads slowly holds a thread, and there are few of them.

A socket's own timeout would begin anew with every byte that it is rid of.
"""

import socket
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Any

BYTES_A_SECOND = 64 * 1024
# For the first byte, and as much of the time that a fast reader had left as he may spend on a pause later.
PATIENCE_S = 30.0
# Whoever took the piece before just in time is not hung up on for our own lateness; a socket wants more than 0.
LEAST_S = 0.01


class Paced:
    """The pieces of an answer. Sending them ends with TimeoutError for a client that takes them too slowly.

    What it takes to make them does not count.
    """

    def __init__(self, pieces: Iterable[bytes], sock: socket.socket) -> None:
        self.pieces: Any = pieces
        self.sock = sock

    def __iter__(self) -> Iterator[bytes]:
        left_s = PATIENCE_S
        for piece in self.pieces:
            left_s = min(left_s, PATIENCE_S) + len(piece) / BYTES_A_SECOND
            # Of all of it, not of each part that the system takes.
            self.sock.settimeout(max(left_s, LEAST_S))
            began = monotonic()
            yield piece
            left_s -= monotonic() - began

    def close(self) -> None:
        if hasattr(self.pieces, "close"):
            self.pieces.close()
