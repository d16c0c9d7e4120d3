"""The live stream over real connections: nothing is lost or comes twice, whatever ends, and idle listeners cost nobody.

FAULT_KILLS says how often a server process is killed; `make faults` sets it high.
"""

import os
import socket
import threading
import time
from contextlib import ExitStack, closing, suppress
from uuid import uuid4

import psutil
import psycopg
import pytest
from psycopg.types.json import Jsonb

from anomalies.outbox import ADD, CHANNEL
from tests.anomaly_server.programs import wait_until
from tests.faults.serving import BASE, Site, answers, kill

KILLS = max(2, int(os.environ.get("FAULT_KILLS", "20")) // 10)
pytestmark = pytest.mark.slow


def listen(site: Site, last: str = "", query: str = "") -> socket.socket:
    """A connection on which the stream's request has been sent."""
    connection = socket.create_connection(("127.0.0.1", site.port), timeout=120)
    after = f"Last-Event-ID: {last}\r\n" if last else ""
    head = f"GET {BASE}stream/{query} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {site.key}\r\n{after}\r\n"
    connection.sendall(head.encode())
    return connection


class Listener(threading.Thread):
    """Listens as a browser does: whenever the connection ends, it comes back with the last id."""

    def __init__(self, site: Site) -> None:
        super().__init__(daemon=True)
        self.site, self.last = site, ""
        self.heard: list[str] = []
        self.came_back = 0
        self.hangs_up = threading.Event()
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.is_set():
            with suppress(OSError), closing(listen(self.site, self.last)) as connection:
                self.read(connection)
            self.came_back += 1
            time.sleep(0.05)

    def read(self, connection: socket.socket) -> None:
        connection.settimeout(0.2)
        text, self.hangs_up = b"", threading.Event()
        while not (self.stopped.is_set() or self.hangs_up.is_set()):
            with suppress(TimeoutError):
                chunk = connection.recv(4096)
                if not chunk:
                    return
                *blocks, text = (text + chunk).split(b"\n\n")
                for block in blocks:
                    self.take(block.decode())

    def take(self, block: str) -> None:
        """An id counts when its block is whole, and so does its event."""
        lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and line[0] != ":")
        if "data" in lines:
            self.heard.append(lines["data"].split('"')[3])
        self.last = lines.get("id", self.last)


class Writer(threading.Thread):
    """Commits events, several at a time, and some late: after others that began later."""

    def __init__(self, site: Site, number: int) -> None:
        super().__init__(daemon=True)
        self.database, self.number = site.database, number
        self.written: list[str] = []
        self.stopped = threading.Event()

    def run(self) -> None:
        with psycopg.connect(self.database) as connection:
            while not self.stopped.wait(0.02):
                ids = [str(uuid4()) for _ in range(3)]
                events = [
                    {"id": id_, "kind": "anomaly.created", "user_id": None, "subject": id_, "score": 50.0, "body": {}}
                    for id_ in ids
                ]
                connection.execute(ADD, {"events": Jsonb(events), "channel": CHANNEL})
                if self.number % 2:
                    time.sleep(0.03)
                connection.commit()
                self.written += ids


def test_nothing_is_lost_or_comes_twice_while_connections_and_processes_end(site: Site) -> None:
    listeners, writers = [Listener(site) for _ in range(6)], [Writer(site, number) for number in range(3)]
    for one in listeners:
        one.start()
    # Whoever was never greeted does not know from where on.
    wait_until(lambda: all(one.last for one in listeners))
    for writer in writers:
        writer.start()
    for number in range(KILLS):
        time.sleep(0.7)
        listeners[number % 6].hangs_up.set()
        kill(site.workers()[0])
        wait_until(lambda: answers(site))
    wait_until(lambda: sum(len(writer.written) for writer in writers) > 50)
    for writer in writers:
        writer.stopped.set()
        writer.join()
    written = {f"evt_{id_}" for writer in writers for id_ in writer.written}
    wait_until(lambda: all(len(one.heard) >= len(written) for one in listeners))
    for one in listeners:
        one.stopped.set()
        one.join()
    assert sum(one.came_back for one in listeners) > len(listeners)
    for one in listeners:
        assert len(one.heard) == len(written)
        assert set(one.heard) == written
    # Everybody hears the same order.
    assert len({tuple(one.heard) for one in listeners}) == 1


def test_two_hundred_idle_listeners_leave_the_threads_to_others(site: Site) -> None:
    site.ask(f"{BASE}transactions/")
    before = site.memory()
    with ExitStack() as stack:
        for _ in range(200):
            connection = stack.enter_context(closing(listen(site)))
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
        # Many more than there are threads, and each is answered.
        assert [site.ask(f"{BASE}transactions/").status for _ in range(20)] == [200] * 20
        assert threads(site) < 60
        assert (site.memory() - before) / 200 < 200_000


def threads(site: Site) -> int:
    return sum(psutil.Process(one.pid).num_threads() for one in site.workers())
