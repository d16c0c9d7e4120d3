"""The planted anomalies: nine kinds, as an analyst meets them. What marks them goes to the label file alone."""

from collections.abc import Callable

import numpy as np

from transactions.demo.merchants import NET
from transactions.demo.payments import Payments, World, join, minor_units, pay
from transactions.demo.people import HOURS
from transactions.demo.period import DAY, HOUR
from transactions.demo.stage import Stage, repeated, running
from transactions.demo.vocabulary import (
    ABROAD,
    COMPLETED,
    COUNTRIES,
    FAILED,
    KINDS,
    ONLINE,
    RECURRING,
)

# The instances below belong to so many ordinary rows.
PER_ROWS = 150_000
FEWEST = 2
CUSTOMERS = 18


def plant(rng: np.random.Generator, world: World, ordinary: Payments) -> Payments:
    """`ordinary` with the planted payments after it; what sleeping accounts would have paid is gone."""
    stage = Stage(rng, world, ordinary)
    planted = []
    for kind, (instances, make) in MAKERS.items():
        payments = make(stage, max(FEWEST, round(instances * len(ordinary) / PER_ROWS)))
        payments = payments.take(world.period.inside(payments.at))
        planted.append(payments.but(kind=np.full(len(payments), KINDS.index(kind) + 1)))
    return join([stage.awake(ordinary), *planted])


def amount_spike(stage: Stage, n: int) -> Payments:
    """One payment of many times what this user usually pays."""
    user = stage.victims(n)
    merchant = stage.shops(user, "electronics", "jewellery", "home", "money_transfer")
    paid = pay(stage.rng, stage.world, user, stage.usually(user, stage.days(n)), merchant)
    euros = stage.usual_euros(user) * stage.rng.uniform(8, 30, n)
    return paid.but(minor=minor_units(euros, paid.currency, stage.world.merchants.style[merchant]))


def small_burst(stage: Stage, n: int) -> Payments:
    """A stolen card is tried: many small payments in minutes, a good part of them refused."""
    rng, user = stage.rng, stage.victims(n)
    shop, device, strange = stage.shops(user, "games", "marketplace", pool=NET), stage.strange_devices(n), rng.random(n)
    start = stage.anytime(user, stage.days(n))
    one, step = repeated(stage.sizes(n, 8, 20))
    paid = pay(rng, stage.world, user[one], start[one] + running(one, rng.exponential(45, len(one)) + 4), shop[one])
    tried = rng.random(len(one)) < 0.35
    return paid.but(
        minor=rng.integers(50, 650, len(one)),
        device=np.where(strange[one] < 0.7, device[one], paid.device),
        status=np.where(tried, FAILED, COMPLETED),
    )


def dormant_wakes(stage: Stage, n: int) -> Payments:
    """An account that was silent for months pays, and not little."""
    rng, world = stage.rng, stage.world
    user, day = stage.sleepers(n)
    n = len(user)
    one, step = repeated(stage.sizes(n, 1, 3))
    start = stage.usually(user, day)
    at = start[one] + step * rng.integers(600, 3 * HOUR, len(one))
    merchant = stage.shops(user[one], "electronics", "money_transfer", "jewellery", "clothing")
    paid = pay(rng, world, user[one], at, merchant)
    euros = stage.usual_euros(user[one]) * rng.uniform(1.5, 7, len(one))
    device = np.where(rng.random(n) < 0.6, stage.strange_devices(n), 0)[one]
    return paid.but(
        minor=minor_units(euros, paid.currency, world.merchants.style[merchant]),
        device=np.where(device > 0, device, paid.device),
    )


def odd_hour(stage: Stage, n: int) -> Payments:
    """Payments at the hours at which this user never pays; nothing else about them is strange."""
    rng, world, user = stage.rng, stage.world, stage.victims(n)
    rhythm = world.people.rhythm[user]
    # Seldom hours of the rhythm: the middle of the five quietest hours in a row.
    quiet = np.argmin(sum(np.roll(HOURS, shift, axis=1) for shift in range(-2, 3)), axis=1)
    second = quiet[rhythm] * HOUR + world.people.shift_s[user] + rng.integers(-HOUR, 2 * HOUR, n)
    start = world.period.instants(world.people.home[user], stage.days(n), second % DAY)
    one, step = repeated(stage.sizes(n, 1, 2))
    merchant = stage.shops(user[one], "fuel", "cash", "entertainment", "fast_food")
    return pay(rng, world, user[one], start[one] + step * rng.integers(300, 2400, len(one)), merchant, times=1.3)


def new_country_device(stage: Stage, n: int) -> Payments:
    """The card is in a country where its owner never was, with a device that he never had."""
    rng, user = stage.rng, stage.victims(n)
    far = np.array([COUNTRIES.index(country) for country in ABROAD])
    pool = far[rng.integers(0, len(far), n)]
    trip = stage.world.people.trip_pool[user]
    pool = np.where(pool == trip, far[(np.searchsorted(far, pool) + 1) % len(far)], pool)
    start, device = stage.anytime(user, stage.days(n)), stage.strange_devices(n)
    one, step = repeated(stage.sizes(n, 1, 4))
    merchant = stage.shops(user[one], "clothing", "electronics", "cash", "restaurants", pool=pool[one])
    at = start[one] + step * rng.integers(300, 2 * HOUR, len(one))
    return pay(rng, stage.world, user[one], at, merchant, times=rng.uniform(1, 2.5, len(one))).but(device=device[one])


def structuring(stage: Stage, n: int) -> Payments:
    """Several transfers within days, each just under a round limit."""
    rng, world, user = stage.rng, stage.world, stage.victims(n)
    limit = np.where(rng.random(n) < 0.2, 1_000_000, 100_000)
    merchant, day = stage.shops(user, "money_transfer"), stage.days(n)
    one, step = repeated(stage.sizes(n, 4, 8))
    at = stage.usually(user[one], day[one] + rng.integers(0, 3, len(one)))
    paid = pay(rng, world, user[one], at, merchant[one])
    under = np.rint(limit[one] * rng.uniform(0.925, 0.9985, len(one)) / 1000).astype(np.int64) * 1000
    cents = np.where(rng.random(len(one)) < 0.4, rng.integers(-999, 0, len(one)), 0)
    return paid.but(minor=np.minimum(under, limit[one] - 500) + cents)


def duplicate_charge(stage: Stage, n: int) -> Payments:
    """A merchant charges the same amount again within minutes."""
    rng, world, ordinary = stage.rng, stage.world, stage.ordinary
    day = stage.days(n)
    begin = world.period.midnight + day * DAY
    done = np.flatnonzero((ordinary.status == COMPLETED) & (ordinary.channel != RECURRING) & stage.is_awake(ordinary))
    in_time = done[np.argsort(ordinary.at[done], kind="stable")]
    low, high = (np.searchsorted(ordinary.at[in_time], bound) for bound in (begin, begin + DAY))
    place = in_time[np.clip(low + (rng.random(n) * (high - low)).astype(np.int64), 0, len(in_time) - 1)]
    first = ordinary.take(np.unique(place))
    one, step = repeated(np.where(rng.random(len(first)) < 0.2, 2, 1))
    later = running(one, rng.integers(15, 400, len(one)).astype(np.float64))
    return first.take(one).but(at=first.at[one] + later)


def takeover_spell(stage: Stage, n: int) -> Payments:
    """Days in which somebody else uses the account: raised amounts, a new device, shops on the net."""
    rng, world, user = stage.rng, stage.world, stage.victims(n)
    day, device = stage.days(n), stage.strange_devices(n)
    length, raised = stage.sizes(n, 3, 6), rng.uniform(2, 5, n)
    one, step = repeated(stage.sizes(n, 6, 16))
    on_day = day[one] + (rng.random(len(one)) * length[one]).astype(np.int64)
    near = stage.shops(user[one], "electronics", "clothing", "money_transfer")
    net = stage.shops(user[one], "marketplace", "electronics", "travel", pool=NET)
    merchant = np.where(rng.random(len(one)) < 0.6, net, near)
    paid = pay(rng, world, user[one], stage.anytime(user[one], on_day), merchant)
    euros = stage.usual_euros(user[one]) * raised[one] * rng.lognormal(0, 0.4, len(one))
    return paid.but(
        minor=minor_units(euros, paid.currency, world.merchants.style[merchant]),
        device=device[one],
        channel=np.full(len(one), ONLINE),
    )


def compromised_merchant(stage: Stage, n: int) -> Payments:
    """Customers of a shop that lost its data are charged there again, for some weeks, in its usual amounts."""
    rng, world, ordinary = stage.rng, stage.world, stage.ordinary
    on_net = stage.never_sleeps(ordinary.user) & (ordinary.channel == ONLINE)
    customers = np.unique(np.stack([ordinary.merchant[on_net], ordinary.user[on_net]]), axis=1)
    shops, counts = np.unique(customers[0], return_counts=True)
    # Neither the giants, which would be found at once, nor shops with hardly a customer.
    fit = shops[np.argsort(np.abs(counts - 2 * CUSTOMERS), kind="stable")][: max(FEWEST, n // CUSTOMERS)]
    parts = []
    days = stage.days(len(fit))
    # One of them is news.
    days[0] = world.period.days - 14
    for shop, day in zip(fit, days, strict=True):
        hit = rng.permutation(customers[1][customers[0] == shop])[:CUSTOMERS]
        one, _ = repeated(stage.sizes(len(hit), 1, 4))
        on_day = day + rng.integers(0, 25, len(one))
        at = stage.anytime(hit[one], on_day)
        parts.append(pay(rng, world, hit[one], at, np.full(len(one), shop), times=rng.uniform(0.8, 2, len(one))))
    return join(parts)


Maker = Callable[[Stage, int], Payments]
# How many instances of each kind, and what makes them. Those who sleep are chosen first: nobody disturbs them.
MAKERS: dict[str, tuple[int, Maker]] = {
    "dormant_wakes": (30, dormant_wakes),
    "amount_spike": (60, amount_spike),
    "small_burst": (28, small_burst),
    "odd_hour": (45, odd_hour),
    "new_country_device": (40, new_country_device),
    "structuring": (24, structuring),
    "duplicate_charge": (50, duplicate_charge),
    "takeover_spell": (22, takeover_spell),
    "compromised_merchant": (72, compromised_merchant),
}
