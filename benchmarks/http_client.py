"""Sends prepared requests over connections that stay open, as fast as they are answered; one small process.

    python -m benchmarks.http_client PORT CONNECTIONS < requests

Reads the requests from standard input, each after its length and a line break, and sends each once. Prints how many
answers had which status, the seconds, and the latencies as JSON.
"""

import json
import selectors
import socket
import sys
import time
from collections import Counter

LENGTH = b"content-length: "
CHUNKED = b"transfer-encoding: chunked"


class Connection:
    """One connection, and the answer that it is waiting for."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent = 0.0
        self.answer = b""
        self.whole: int | None = None

    def send(self, request: bytes) -> None:
        self.answer, self.whole, self.sent = b"", None, time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Read on; true when the answer is whole."""
        part = self.socket.recv(1 << 18)
        if not part:
            raise SystemExit(f"The server closed the connection: {self.answer[:300]!r}")
        self.answer += part
        if self.whole is None and (end := self.answer.find(b"\r\n\r\n")) >= 0:
            head = self.answer[:end].lower()
            if CHUNKED in head:
                raise SystemExit("An answer without its length cannot be followed.")
            at = head.find(LENGTH) + len(LENGTH)
            self.whole = end + 4 + int(head[at:].partition(b"\r")[0])
        return self.whole is not None and len(self.answer) >= self.whole

    def status(self) -> str:
        return self.answer[9:12].decode()


def prepared() -> list[bytes]:
    read, found = sys.stdin.buffer, []
    while length := read.readline():
        found.append(read.read(int(length)))
    return found


def main() -> None:
    port, connections = int(sys.argv[1]), int(sys.argv[2])
    following = iter(prepared())
    statuses: Counter[str] = Counter()
    latencies: list[float] = []
    with selectors.DefaultSelector() as ready:
        began = time.perf_counter()
        for _ in range(connections):
            one = Connection(port)
            ready.register(one.socket, selectors.EVENT_READ, one)
            one.send(next(following))
        while ready.get_map():
            for key, _ in ready.select():
                one = key.data
                if not one.receive():
                    continue
                now = time.perf_counter()
                latencies.append(now - one.sent)
                statuses[one.status()] += 1
                request = next(following, None)
                if request is None:
                    ready.unregister(one.socket)
                    one.socket.close()
                else:
                    one.send(request)
        took = time.perf_counter() - began
    print(json.dumps({"statuses": statuses, "seconds": took, "latencies": latencies}))


if __name__ == "__main__":
    main()
