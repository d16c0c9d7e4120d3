"""The courier: takes what is due and sends it, many endpoints at once, within `manage.py worker`.

A slow or dead endpoint holds a few threads and nothing else: each has room for few requests at once, one that fails
for one, and no database connection is held while anybody is waited for.
"""

import logging
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from anomalies import sealing
from anomalies.webhooks import deliveries, messages, sending
from anomalies.webhooks.models import WebhookEndpoint

logger = logging.getLogger(__name__)

# Requests at once: to one endpoint, and to all.
AT_ONCE = 4
MOST_AT_ONCE = 64
IDLE_S = 0.5
# Between two looks at a database that is away.
AWAY_S = 5.0


class Address(NamedTuple):
    """Where to send, and the secrets to sign with, sealed."""

    url: str
    secret: str
    old_secret: str
    is_failing: bool

    def keys(self) -> list[str]:
        """The secrets that count now. Raises SealError where the first cannot be opened."""
        found = [sealing.opened(self.secret)]
        if self.old_secret:
            # It may be lost: that is why there is a new one.
            with suppress(sealing.SealError):
                found.append(sealing.opened(self.old_secret))
        return found


def policy() -> sending.Policy:
    return sending.Policy(settings.WEBHOOK_TIMEOUT_S, settings.WEBHOOK_ALLOW_PRIVATE, settings.WEBHOOK_ALLOW_HTTP)


def send(message: messages.Message, address: Address) -> sending.Answer:
    try:
        headers = messages.headers(message, timezone.now(), address.keys())
    except sealing.SealError as fault:
        return sending.Answer(None, 0, f"It cannot be signed. {fault} Give the endpoint a new secret.")
    return sending.post(address.url, message.body.encode(), headers, policy())


def address_of(endpoint: WebhookEndpoint) -> Address:
    until = endpoint.old_secret_until
    old = endpoint.sealed_old_secret if until and until > timezone.now() else ""
    return Address(endpoint.url, endpoint.sealed_secret, old, endpoint.failures >= deliveries.FAILING_AFTER)


def usable() -> dict[UUID, Address]:
    """The endpoints to which may be sent now."""
    ready = WebhookEndpoint.objects.filter(enabled=True).exclude(wait_until__gt=timezone.now())
    return {endpoint.pk: address_of(endpoint) for endpoint in ready}


def lease() -> timedelta:
    """Longer than any try: to look the name up, to connect, and to be answered, each within the timeout."""
    return timedelta(seconds=4 * settings.WEBHOOK_TIMEOUT_S)


def deliver_due() -> int:
    """Send what is due, and what becomes due by it, one after the other; says how many tries that were."""
    tries = 0
    while True:
        spread, addresses = deliveries.spread(), usable()
        claimed = deliveries.claim(dict.fromkeys(addresses, 1), lease=lease())
        for one in claimed:
            deliveries.note(one, send(one.message, addresses[one.endpoint_id]))
        tries += len(claimed)
        if not spread and not claimed:
            return tries


@contextmanager
def delivering(*, waits: bool) -> Iterator[None]:
    """Deliver within the block; or, where nobody waits for what comes, what is due at its end."""
    if not waits:
        yield
        deliver_due()
        return
    one = Courier()
    one.start()
    try:
        yield
    finally:
        one.stop()


class Courier:
    """Sends what is due, by threads of its own, from `start` to `stop`."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="courier")
        self._thread = threading.Thread(target=self._run, name="courier")
        self._stop, self._wake = threading.Event(), threading.Event()
        self._under_way: Counter[UUID] = Counter()
        self._lock = threading.Lock()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the requests under way, which take no longer than their timeouts."""
        self._stop.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._pool.shutdown()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                found = self.step()
            except (OperationalError, InterfaceError) as fault:
                logger.warning("The database does not answer; deliveries wait: %s", fault)
                self._stop.wait(AWAY_S)
                found = True
            finally:
                # To the pool: nothing is held while idle.
                connection.close()
            if not found:
                self._wake.wait(IDLE_S)
            self._wake.clear()

    def step(self) -> bool:
        """Write down new deliveries and begin with those that are due; False where there was nothing to do."""
        spread = deliveries.spread()
        addresses = usable()
        claimed = deliveries.claim(self._rooms(addresses), lease=lease())
        for one in claimed:
            with self._lock:
                self._under_way[one.endpoint_id] += 1
            self._pool.submit(self._deliver, one, addresses[one.endpoint_id]).add_done_callback(self._told)
        return bool(spread or claimed)

    def _rooms(self, addresses: dict[UUID, Address]) -> dict[UUID, int]:
        """How many more requests each endpoint may get now; those without room are left out."""
        with self._lock:
            left = MOST_AT_ONCE - self._under_way.total()
            rooms: dict[UUID, int] = {}
            for pk, address in addresses.items():
                room = min((1 if address.is_failing else AT_ONCE) - self._under_way[pk], left)
                if room > 0:
                    rooms[pk] = room
                    left -= room
        return rooms

    def _deliver(self, claimed: deliveries.Claimed, address: Address) -> None:
        try:
            answer = send(claimed.message, address)
            deliveries.note(claimed, answer)
        finally:
            connection.close()
            with self._lock:
                self._under_way[claimed.endpoint_id] -= 1
            self._wake.set()

    @staticmethod
    def _told(done: "Future[None]") -> None:
        fault = done.exception()
        if fault is not None:
            # It is due again when its lease ends.
            logger.error("A delivery could not be written down.", exc_info=fault)
