"""What planting has to work with: days, instants, shops, and users who have a past and have not been hit yet."""

import numpy as np

from transactions.demo.payments import Payments, World
from transactions.demo.people import FAR_FUTURE, usual_seconds
from transactions.demo.period import DAY, Bools, Floats, Ints
from transactions.demo.vocabulary import COMPLETED, PER_EURO, RECURRING, TRADE

ENOUGH_PAST = 25
LATEST_DAYS = 14
# More of what is planted than time alone would bring falls into the last days: the queue of a server in use.
LATEST_SHARE = 0.22
# An account that sleeps does so for at least so many days, if the period is long enough.
SLEEP_DAYS = 60


class Stage:
    """Chance, the world and what happened in it. Users are dealt once each, until there are no more."""

    def __init__(self, rng: np.random.Generator, world: World, ordinary: Payments) -> None:
        self.rng, self.world, self.ordinary = rng, world, ordinary
        self._asleep_from = np.full(len(world.people), FAR_FUTURE)
        self._level = _levels(world, ordinary)
        self._queue = rng.permutation(_with_a_past(world, ordinary))
        self._dealt = 0

    def victims(self, n: int) -> Ints:
        """The next n users with a past; the first ones again only when all have had their turn."""
        places = (self._dealt + np.arange(n)) % len(self._queue)
        self._dealt += n
        return np.asarray(self._queue[places])

    def sleepers(self, n: int) -> tuple[Ints, Ints]:
        """Up to n users who fall asleep for months, and the day on which each wakes. They leave the queue."""
        n = min(n, max(2, len(self._queue) // 10))
        user, self._queue = self._queue[:n], self._queue[n:]
        last = self.world.period.days - 1
        day = np.maximum(self.days(n), self.rng.integers(last * 3 // 5, last, n))
        length = np.minimum(self.rng.integers(SLEEP_DAYS, 2 * SLEEP_DAYS, n), day * 2 // 3)
        self._asleep_from[user] = self.world.period.midnight + (day - length) * DAY
        return user, day

    def is_awake(self, payments: Payments) -> Bools:
        """Which payments were made before their user's account fell asleep."""
        return payments.at < self._asleep_from[payments.user]

    def never_sleeps(self, user: Ints) -> Bools:
        """Whose accounts stay awake throughout."""
        return np.asarray(self._asleep_from[user] == FAR_FUTURE)

    def awake(self, payments: Payments) -> Payments:
        """Only those payments."""
        return payments.take(self.is_awake(payments))

    def days(self, n: int) -> Ints:
        """(n,) local days on which something begins, in the last two thirds of the period."""
        rng, last = self.rng, self.world.period.days - 1
        late = last - 1 - rng.integers(0, min(LATEST_DAYS, last // 2), n)
        return np.where(rng.random(n) < LATEST_SHARE, late, rng.integers(last // 3 + 1, last, n))

    def usually(self, user: Ints, day: Ints) -> Ints:
        """Instants of those days at which each user might well pay."""
        second = usual_seconds(self.rng, self.world.people, user)
        return self.world.period.instants(self.world.people.home[user], day, second)

    def anytime(self, user: Ints, day: Ints) -> Ints:
        """Instants of those days at any hour: a thief keeps hours of his own."""
        second = self.rng.integers(0, DAY, len(user))
        return self.world.period.instants(self.world.people.home[user], day, second)

    def shops(self, user: Ints, *names: str, pool: Ints | int | None = None) -> Ints:
        """A merchant of one of the trades for each user, in the user's country or in the given pool."""
        trade = np.array([TRADE[name] for name in names])[self.rng.integers(0, len(names), len(user))]
        pools = self.world.people.country[user] if pool is None else np.broadcast_to(pool, len(user))
        return self.world.merchants.of_trade(pools, trade, self.rng.random(len(user)))

    def strange_devices(self, n: int) -> Ints:
        """Devices of nobody's."""
        return self.rng.integers(1 << 40, 1 << 48, n)

    def sizes(self, n: int, low: int, high: int) -> Ints:
        """How many payments each of n instances has."""
        return self.rng.integers(low, high + 1, n)

    def usual_euros(self, user: Ints) -> Floats:
        """What each user pays on an ordinary occasion."""
        return self._level[user]


def repeated(sizes: Ints) -> tuple[Ints, Ints]:
    """For the payments of all instances: which instance it is, and the payment's number in it from 0."""
    one = np.repeat(np.arange(len(sizes)), sizes)
    return one, np.arange(len(one)) - (np.cumsum(sizes) - sizes)[one]


def running(one: Ints, waits: Floats) -> Ints:
    """Waits added up within each instance, in whole seconds."""
    total = np.cumsum(waits)
    first = np.searchsorted(one, one, side="left")
    return (total - (total - waits)[first]).astype(np.int64)


def _levels(world: World, ordinary: Payments) -> Floats:
    """(users,) mean of what each user bought, in euros."""
    bought = ordinary.take((ordinary.status == COMPLETED) & (ordinary.channel != RECURRING))
    euros = bought.minor / 100 / np.array(PER_EURO)[bought.currency]
    n = len(world.people)
    counts = np.bincount(bought.user, minlength=n)
    return np.asarray(np.bincount(bought.user, euros, minlength=n) / np.maximum(counts, 1))


def _with_a_past(world: World, ordinary: Payments) -> Ints:
    people, days = world.people, world.period.days
    counts = np.bincount(ordinary.user, minlength=len(people))
    fit = (people.joined < days // 6) & (people.left >= days) & (counts >= ENOUGH_PAST)
    # So few users or days that nobody has a past: then the busiest.
    return np.flatnonzero(fit) if fit.sum() >= 10 else np.argsort(-counts, kind="stable")[:10]
