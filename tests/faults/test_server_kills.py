"""The server while its database goes and comes back, and while its own processes are killed.

FAULT_KILLS says how often; `make faults` sets it high.
"""

import os
import random
import threading
import time
from contextlib import closing, suppress
from http.client import HTTPException
from typing import Any

import psycopg
import pytest

from anomaly_server import settings
from anomaly_server.embedded_postgres import server
from tests.anomaly_server.programs import wait_until
from tests.faults.serving import BASE, Answer, Site, answers, kill, payment, read

# A tenth of what kills loads: a server takes longer to be back.
KILLS = max(3, int(os.environ.get("FAULT_KILLS", "30")) // 10)
SEED = int(os.environ.get("FAULT_SEED", "0")) or random.randrange(1, 1_000_000)
WRITERS = 4
pytestmark = pytest.mark.slow


def test_a_restart_of_postgresql_costs_no_request(site: Site) -> None:
    together(site, 8)
    site.kill_postgres()
    site.start_postgres()
    # What it says instead, where it does not answer.
    assert [told.body for told in together(site, 8) if told.status != 200] == []


def test_neither_does_one_after_a_process_has_renewed_what_it_keeps(site: Site) -> None:
    """What it renews follows an answer, by queries on the thread's connection that belong to no request."""
    together(site, 8, post_from=100)
    time.sleep(settings.LIVE_CACHE_S)
    together(site, 8, post_from=200)
    site.kill_postgres()
    site.start_postgres()
    # Twice: a connection that was lost does not stay with its thread either.
    assert [told.body for told in together(site, 8) + together(site, 8) if told.status != 200] == []


def test_while_the_database_is_away_it_says_so_and_then_recovers_by_itself(site: Site) -> None:
    server.stop(site.cluster, patience_s=20)
    refused = site.ask(f"{BASE}transactions/")
    assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["type"] == "urn:anomaly-server:problem:unavailable"
    assert site.ask(f"{BASE}transactions/", payment(1)).status == 503
    with closing(site.connect()) as browser:
        browser.request("GET", "/admin/", headers={"Cookie": "sessionid=somebody"})
        shown = read(browser.getresponse())
    assert (shown.status, shown.headers["Retry-After"]) == (503, "5")
    ready = site.ask("/readyz")
    assert (ready.status, ready.json()) == (503, {"status": "unavailable", "waiting_for": "database"})
    assert site.ask("/livez").status == 200
    assert b"\ndatabase_up 0.0\n" in site.ask("/metrics").body
    site.start_postgres()
    # Longer than the pool waits between its attempts.
    wait_until(lambda: answers(site))
    assert site.ask(f"{BASE}transactions/").status == 200


def together(site: Site, count: int, *, post_from: int = 0) -> list[Answer]:
    """Answers to requests that are made at the same time, and so need a connection to the database each."""
    found: list[Answer] = []
    bodies = [payment(post_from + number) if post_from else None for number in range(count)]

    def ask(body: Any) -> None:
        found.append(site.ask(f"{BASE}transactions/", body))

    threads = [threading.Thread(target=ask, args=[body]) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


class Writer(threading.Thread):
    """Stores payments, one after the other, and sends each again until it is acknowledged."""

    def __init__(self, site: Site, number: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.site, self.number, self.stop = site, number, stop
        self.sent = 0
        self.acknowledged: list[str] = []
        self.wrong: list[int] = []

    def run(self) -> None:
        while not self.stop.is_set():
            self.sent += 1
            self.store(self.number * 1_000_000 + self.sent)

    def store(self, number: int) -> None:
        while True:
            with suppress(OSError, HTTPException):
                answer = self.site.ask(f"{BASE}transactions/", payment(number, user=self.number))
                if answer.status in (200, 201):
                    self.acknowledged.append(answer.json()["id"])
                    return
                if answer.status != 503:
                    self.wrong.append(answer.status)
                    return
            time.sleep(0.05)


@pytest.mark.parametrize("seed", [SEED], ids="FAULT_SEED={}".format)
def test_no_acknowledged_row_is_lost_and_none_is_there_twice_however_often_all_is_killed(site: Site, seed: int) -> None:
    rng, stop = random.Random(seed), threading.Event()
    with psycopg.connect(site.database) as database:
        (before,) = database.execute("SELECT count(*) FROM transactions").fetchone() or (0,)
    writers = [Writer(site, rng.randrange(10**3, 10**6), stop) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    for number in range(KILLS):
        time.sleep(rng.uniform(0.2, 1.5))
        if number % 3 == 1:
            site.kill_postgres()
            time.sleep(rng.uniform(0, 0.5))
            site.start_postgres()
        else:
            kill(rng.choice(site.workers()))
        progress(writers)
    stop.set()
    for writer in writers:
        writer.join(300)
    acknowledged = [id_ for writer in writers for id_ in writer.acknowledged]
    with psycopg.connect(site.database) as database:
        rows = database.execute("SELECT count(*), count(DISTINCT id) FROM transactions").fetchone()
        (found,) = database.execute(
            "SELECT count(*) FROM transactions WHERE id = ANY(%s::uuid[])", [acknowledged]
        ).fetchone() or (0,)
    sent = sum(writer.sent for writer in writers)
    assert [writer.wrong for writer in writers] == [[]] * WRITERS
    assert found == len(acknowledged) == len(set(acknowledged)) == sent
    assert rows == (before + sent, before + sent)


def progress(writers: list[Writer]) -> None:
    """Wait until everyone has stored something since the last kill: the server is at work again."""
    before = [len(writer.acknowledged) for writer in writers]
    wait_until(lambda: all(len(w.acknowledged) > was for w, was in zip(writers, before, strict=True)))
