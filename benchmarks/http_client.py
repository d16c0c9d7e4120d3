"""Sends prepared requests over connections that stay open, as fast as they are answered; one small process.

    python -m benchmarks.http_client PORT CONNECTIONS < requests

Reads the requests from standard input, each after its length and a line break, and sends each once. Prints how many
answers had which status, the seconds, its own processor time in them, and the latencies as JSON.
"""

import json
import re
import selectors
import socket
import sys
import time
from collections import Counter

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r", re.IGNORECASE)
# Everything is read into one piece of memory, and only a head is looked at: the client shares the processors with the
# server, and what it takes would make all servers look alike.
READ = bytearray(1 << 18)
HEAD_END = b"\r\n\r\n"
MOST_HEAD = 4096


class Connection:
    """One connection, and the answer that it is waiting for."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent = 0.0
        self.beginning = b""
        # What has come of the answer; and how much it is, None until the head is there.
        self.has = 0
        self.length: int | None = None

    def send(self, request: bytes) -> None:
        self.beginning, self.has, self.length, self.sent = b"", 0, None, time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Read on; true when the answer is whole."""
        came = self.socket.recv_into(READ)
        if not came:
            raise SystemExit(f"The server closed the connection: {self.beginning[:300]!r}")
        self.has += came
        if self.length is None:
            self.beginning += READ[: min(came, MOST_HEAD)]
            self.read_head()
        return self.length == self.has

    def read_head(self) -> None:
        end = self.beginning.find(HEAD_END)
        if end < 0:
            return
        length = LENGTH.search(self.beginning, 0, end + 2)
        if length is None:
            raise SystemExit("An answer without its length cannot be followed.")
        self.length = end + len(HEAD_END) + int(length[1])

    def status(self) -> str:
        return self.beginning[9:12].decode()


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
        began, worked = time.perf_counter(), time.process_time()
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
        took, processor_s = time.perf_counter() - began, time.process_time() - worked
    told = {"statuses": statuses, "seconds": took, "processor_s": processor_s, "latencies": latencies}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
