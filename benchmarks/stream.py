"""What listeners of the live stream cost everybody else, and each of them, in one run; medians of the turns.

    python -m benchmarks.stream [--listeners 200] [--rows 100000] [--requests 1000] [--turns 5]

Asks for pages of 100 rows over 8 connections: of a server without listeners, of one with idle ones, and of gunicorn's
own threaded worker, which ours gathers requests for. Makes a database of its own and drops it at the end.
"""

import argparse
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import islice
from statistics import median

import psutil

from benchmarks import http, payments

GTHREAD = http.Rival((*http.OURS, "--worker-class", "gthread"), path="/api/v1/transactions/")
USERS = 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listeners", type=int, default=200)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=1_000)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    with payments.own_database(f"stream_{os.getpid()}"):
        payments.fill(rows=options.rows, users=USERS, days=http.DAYS)
        measure(options.listeners, count=options.requests, turns=options.turns)


def measure(listeners: int, *, count: int, turns: int) -> None:
    key = http.key()
    wire = http.requests("listing", http.RIVALS["ours"].path, key, USERS)
    listened = f"{listeners} listeners"
    with ExitStack() as running:
        servers = {
            "no listeners": running.enter_context(http.server(http.RIVALS["ours"])),
            listened: running.enter_context(http.server(http.RIVALS["ours"])),
            "gthread": running.enter_context(http.server(GTHREAD)),
        }
        for main_process, port in servers.values():
            http.turn(main_process, port, list(islice(wire, count)))
        before = memory(servers[listened][0])
        running.enter_context(listening(servers[listened][1], key, listeners))
        each = (memory(servers[listened][0]) - before) / listeners
        found: dict[str, list[http.Turn]] = {name: [] for name in servers}
        for _ in range(turns):
            for name, (main_process, port) in servers.items():
                found[name].append(http.turn(main_process, port, list(islice(wire, count))))
    for name, seen in found.items():
        per_second, server_ms = median(one.per_second for one in seen), median(one.server_ms for one in seen)
        print(f"{name:>16}: {per_second:7,.0f} requests/s, {server_ms:.2f} ms of processor time each")
    print(f"{'each listener':>16}: {each / 1024:7,.1f} KiB")


@contextmanager
def listening(port: int, key: str, count: int) -> Iterator[None]:
    head = f"GET /api/v1/stream/ HTTP/1.1\r\nHost: {http.ADDRESS}\r\nAuthorization: Bearer {key}\r\n\r\n"
    with ExitStack() as opened:
        for _ in range(count):
            connection = opened.enter_context(closing(socket.create_connection((http.ADDRESS, port))))
            connection.sendall(head.encode())
            if b" 200 OK" not in connection.recv(4096):
                raise SystemExit("The server took a listener for something else.")
        yield


def memory(main_process: psutil.Process) -> int:
    return sum(one.memory_full_info().uss for one in main_process.children(recursive=True))


if __name__ == "__main__":
    main()
