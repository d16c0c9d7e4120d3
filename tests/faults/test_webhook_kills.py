"""The worker killed in the middle of deliveries: every event arrives at least once, signed, each user's in order.

FAULT_KILLS says how often; `make faults` sets it high, and then 1,000 events are sent.
"""

import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.db import connection

from anomalies import outbox
from anomalies.webhooks import endpoints
from anomalies.webhooks.models import WebhookDelivery, WebhookEndpoint
from tests.anomalies.receivers import Receiver, Taken, receiver
from tests.conftest import login_of, url
from tests.faults.loaders import Fork, Forks

KILLS = int(os.environ.get("FAULT_KILLS", "20"))
EVENTS = min(5 * KILLS, 1_000)
USERS = 17
WORKERS = 2
# Other moments in each run. The test's name shows it, so that a run can be repeated.
SEED = int(os.environ.get("FAULT_SEED", "0")) or random.randrange(1, 1_000_000)
# A killed worker's deliveries are due again after four times that.
TIMEOUT_S = "1"
PATIENCE_S = 300

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def forks(tmp_path: Path, transactional_db: None) -> Iterator[Forks]:
    """Starts workers on the tests' own database."""
    database = url(**login_of(connection.get_connection_params()))
    allowed = {"WEBHOOK_ALLOW_PRIVATE": "true", "WEBHOOK_ALLOW_HTTP": "true", "WEBHOOK_TIMEOUT_S": TIMEOUT_S}
    with closing(Forks(tmp_path, DATABASE_URL=database, SECRET_KEY=settings.SECRET_KEY, **allowed)) as forks:
        yield forks


@pytest.fixture
def shop() -> Iterator[Receiver]:
    """Takes its time, so that a kill finds requests under way; and refuses some at first."""
    seen: set[str] = set()
    lock = threading.Lock()

    def answer(taken: Taken) -> int:
        time.sleep(0.02)
        key, number = taken.headers["Webhook-Id"], taken.content["data"]["number"]
        with lock:
            refused = number % 50 == 7 and key not in seen
            seen.add(key)
            found.taken += [] if refused else [taken]
        return 500 if refused else 204

    with receiver() as found:
        # Only what is taken counts.
        found.keeps_all = False
        found.status_of = answer
        yield found


def arrived() -> int:
    return WebhookDelivery.objects.filter(state="delivered").count()


def tell_all() -> None:
    """Write the events a few at a time, while workers come and go."""
    for number in range(EVENTS):
        outbox.emit("anomaly.created", user_id=UUID(int=number % USERS), subject=uuid4(), body={"number": number})
    connection.close()


def kill_workers(forks: Forks, rng: random.Random) -> int:
    """Let two work, and kill one after the other at a random moment, until four of five events have arrived."""
    working: list[Fork] = []
    kills = 0
    while kills < KILLS and arrived() < EVENTS * 4 // 5:
        while len(working) < WORKERS:
            working.append(forks.start("worker"))
        time.sleep(rng.uniform(0.05, 0.9))
        kills += working.pop(0).kill()
    for one in working:
        kills += one.kill()
    return kills


@pytest.mark.parametrize("seed", [SEED], ids="FAULT_SEED={}".format)
def test_every_event_arrives_signed_and_in_order_however_often_the_worker_is_killed(
    forks: Forks, shop: Receiver, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = endpoint_of(shop).secret
    telling = threading.Thread(target=tell_all)
    telling.start()
    kills = kill_workers(forks, random.Random(seed))
    telling.join()
    last, began = forks.start("worker"), time.monotonic()
    while arrived() < EVENTS and time.monotonic() - began < PATIENCE_S:
        time.sleep(0.1)
    assert last.kill(), last.err.read_text()
    contents = [taken.verified(secret) for taken in shop.taken]
    firsts = list(dict.fromkeys(content["data"]["number"] for content in contents))
    with capsys.disabled():
        more = len(contents) - EVENTS
        sys.stdout.write(f" {EVENTS} events, {kills} kills: all signed, {len(firsts)} arrived, {more} of them again ")
    assert sorted(firsts) == list(range(EVENTS))
    assert kills >= 2
    for user in range(USERS):
        mine = [number for number in firsts if number % USERS == user]
        assert mine == sorted(mine)


def endpoint_of(shop: Receiver) -> WebhookEndpoint:
    found = endpoints.create(url="https://example.com/", kinds=["anomaly.created"], owner=None)
    # Tests may not allow http in this process and not in that one: the workers' environment says it.
    WebhookEndpoint.objects.filter(pk=found.pk).update(url=shop.url)
    return found
