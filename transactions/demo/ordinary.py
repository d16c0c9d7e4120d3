"""What ordinary people pay: by their rhythm, at their merchants, with bills, trips, failures and second tries."""

import numpy as np

from transactions.demo.merchants import NET
from transactions.demo.payments import Payments, World, join, pay
from transactions.demo.people import HOURS, People, seconds_of_day
from transactions.demo.period import DAY, Bools, Ints, choose, curve
from transactions.demo.vocabulary import BILLS, COMPLETED, FAILED, MONTHLY, RHYTHMS, TRADE, TRADES

# Bills fall on days 1 to 28, which every month has.
LAST_DUE = 28

# (rhythms * trades, 24): people go when they have time and when the trade is visited.
OPEN = np.array([curve(trade.hours) for trade in TRADES])
HOURS_AT = (HOURS[:, None, :] * np.sqrt(OPEN)[None, :, :]).reshape(-1, 24)


def ordinary(rng: np.random.Generator, world: World) -> Payments:
    """All that happens without anybody's ill will, in no order."""
    bought, billed = _bought(rng, world), _bills(rng, world)
    payments = join([bought, billed])
    again = _again(rng, world, payments)
    payments = join([payments, again])
    return payments.take(world.period.inside(payments.at))


def _bought(rng: np.random.Generator, world: World) -> Payments:
    people, merchants = world.people, world.merchants
    user, day = _occasions(rng, world)
    merchant, stays = _merchant(rng, world, user, day)
    user, day, merchant = user[stays], day[stays], merchant[stays]
    line = people.rhythm[user] * len(TRADES) + merchants.trade[merchant]
    second = seconds_of_day(rng, people, user, HOURS_AT, line)
    return pay(rng, world, user, world.period.instants(people.home[user], day, second), merchant)


def _occasions(rng: np.random.Generator, world: World) -> tuple[Ints, Ints]:
    """User and local day of every purchase."""
    people, period = world.people, world.period
    day = np.arange(period.days)
    weekdays = np.array([one.weekdays for one in RHYTHMS])
    weights = (weekdays / weekdays.mean(axis=1, keepdims=True))[people.rhythm][:, period.weekday()]
    of_month = (period.midnight // DAY + day).astype("datetime64[D]")
    first_days = (of_month - of_month.astype("datetime64[M]")).astype(int) < 6
    weights = np.where((people.rhythm == MONTHLY)[:, None], weights * np.where(first_days, 3.2, 0.45), weights)
    # Everybody has busier and quieter weeks.
    waves = rng.uniform(0, 2 * np.pi, (len(people), 1)) + day * (2 * np.pi / rng.uniform(40, 120, (len(people), 1)))
    present = (day >= people.joined[:, None]) & (day < people.left[:, None])
    counts = rng.poisson(people.rate[:, None] * weights * np.exp(0.25 * np.sin(waves)) * present)
    users, days = np.nonzero(counts)
    times = counts[users, days]
    return np.repeat(users, times), np.repeat(days, times)


def _merchant(rng: np.random.Generator, world: World, user: Ints, day: Ints) -> tuple[Ints, Bools]:
    """The merchant of each purchase, and which purchases happen at all: a silent absence swallows them."""
    people, merchants = world.people, world.merchants
    slot = choose(people.taste, user, rng.random(len(user)))
    merchant = people.favourites[user, slot]
    explores = rng.random(len(user)) < people.explores[user]
    pool = np.where(rng.random(len(user)) < 0.3, NET, people.country[user])
    merchant = np.where(explores, merchants.by_popularity(pool, rng.random(len(user))), merchant)
    away = (day >= people.trip[user]) & (day < people.trip[user] + people.trip_days[user])
    silent = away & (people.trip_pool[user] < 0)
    # On a trip one still buys on the net.
    there = away & ~silent & (merchants.pool[merchant] != NET)
    found = merchants.by_popularity(np.where(there, people.trip_pool[user], NET), rng.random(len(user)))
    return np.where(there, found, merchant), ~silent


def _bills(rng: np.random.Generator, world: World) -> Payments:
    """The same amount to the same merchant every month, at the hour when that merchant sends its bills."""
    people, merchants, period = world.people, world.merchants, world.period
    user, trade = _contracts(rng, people)
    pool = np.where(trade == TRADE["streaming"], NET, people.country[user])
    merchant = merchants.of_trade(pool, trade, rng.random(len(user)))
    contract = pay(rng, world, user, np.full(len(user), period.start), merchant)
    due = rng.integers(1, LAST_DUE + 1, len(user))
    hour = 4 + merchant % 7
    place, day = _monthly(world, due)
    at = period.instants(people.home[user[place]], day, hour[place] * 3600 + rng.integers(0, 1800, len(place)))
    bills = pay(rng, world, user[place], at, merchant[place])
    bills = bills.but(minor=contract.minor[place], currency=contract.currency[place])
    present = (day >= people.joined[bills.user]) & (day < people.left[bills.user])
    return bills.take(present)


def _contracts(rng: np.random.Generator, people: People) -> tuple[Ints, Ints]:
    """User and trade of every contract. Nobody has two of a kind, and most pay the rent in another way."""
    count = rng.poisson(np.array([one.bills for one in RHYTHMS])[people.rhythm])
    wish = rng.random((len(people), len(BILLS)))
    wish[:, BILLS.index("housing")] += rng.random(len(people)) < 0.7
    user, place = np.nonzero(np.argsort(np.argsort(wish, axis=1), axis=1) < count[:, None])
    return user, np.array([TRADE[name] for name in BILLS])[place]


def _monthly(world: World, due: Ints) -> tuple[Ints, Ints]:
    """For each contract's day of the month the days of the period on which it falls: (contract, day)."""
    period = world.period
    dates = (period.midnight // DAY + np.arange(period.days)).astype("datetime64[D]")
    of_month = (dates - dates.astype("datetime64[M]")).astype(np.int64) + 1
    found = np.nonzero(due[:, None] == of_month[None, :])
    return found[0], found[1]


def _again(rng: np.random.Generator, world: World, payments: Payments) -> Payments:
    """Second tries of what failed, and the second ticket or coffee that looks like a double charge and is none."""
    draw = rng.random(len(payments))
    retried = payments.take((payments.status == FAILED) & (draw < 0.6))
    retried = retried.but(at=retried.at + rng.integers(8, 150, len(retried)), status=np.full(len(retried), COMPLETED))
    small = np.isin(world.merchants.trade[payments.merchant], [TRADE["transit"], TRADE["cafes"], TRADE["games"]])
    second = payments.take(small & (payments.status == COMPLETED) & (draw < 0.006))
    return join([retried, second.but(at=second.at + rng.integers(20, 600, len(second)))])
