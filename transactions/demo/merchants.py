"""The merchants: in every country some of each trade, a few known to all and many to some (Zipf), and net shops."""

from dataclasses import dataclass

import numpy as np

from transactions.demo.period import Floats, Ints
from transactions.demo.vocabulary import (
    ABROAD,
    CENTS,
    COUNTRIES,
    FAR_TRADES,
    HOMES,
    NEAR_TRADES,
    NET_COUNTRIES,
    NET_TRADES,
    ONLINE,
    TENS,
    TRADE,
    TRADES,
)

# The pools in which people look for a merchant: a country each, and the net.
NET = len(COUNTRIES)
ZIPF = 1.05


@dataclass(frozen=True, slots=True)
class Merchants:
    """n merchants, those of a pool together and in it those of a trade, the most popular first."""

    names: list[str]
    pool: Ints
    country: Ints
    trade: Ints
    price: Floats
    spread: Floats
    style: Ints
    channel: Ints
    popularity: Floats
    # (pools, trades): where the merchants of a trade begin in the whole, and how many there are.
    first: Ints
    count: Ints
    # Popularity added up over all pools, each pool's from its number to the next.
    ladder: Floats

    def by_popularity(self, pool: Ints, draw: Floats) -> Ints:
        """A merchant of each pool, the popular ones more often; `draw` in [0, 1)."""
        return np.minimum(np.searchsorted(self.ladder, pool + draw, side="right"), len(self.pool) - 1)

    def of_trade(self, pool: Ints, trade: Ints, draw: Floats) -> Ints:
        """A merchant of each pool and trade, all alike; the pool must have the trade."""
        return self.first[pool, trade] + (draw * self.count[pool, trade]).astype(np.int64)


def merchants(rng: np.random.Generator, users: int) -> Merchants:
    """A population of merchants that fits so many users."""
    pool, trade, rank = _places(users)
    n = len(pool)
    numbers = rng.choice(900_000, n, replace=False) + 100_000
    style = np.array([one.style for one in TRADES])[trade]
    style[(rng.random(n) < 0.15) & (style != TENS)] = CENTS
    on_net = pool == NET
    channel = np.where(on_net & (trade < TRADE["streaming"]), ONLINE, np.array([one.channel for one in TRADES])[trade])
    seats = np.array([COUNTRIES.index(country) for country in NET_COUNTRIES])[rng.integers(0, len(NET_COUNTRIES), n)]
    visits = np.array([one.visits for one in TRADES])[trade]
    popularity = visits * rng.uniform(0.7, 1.3, n) / rank**ZIPF
    first = np.zeros((NET + 1, len(TRADES)), np.int64)
    count = np.zeros_like(first)
    np.add.at(count, (pool, trade), 1)
    first.ravel()[1:] = np.cumsum(count.ravel())[:-1]
    return Merchants(
        names=[f"M{number}" for number in numbers.tolist()],
        pool=pool,
        country=np.where(on_net, seats, pool),
        trade=trade,
        price=np.array([one.price for one in TRADES])[trade] * rng.lognormal(0, 0.3, n),
        spread=np.array([one.spread for one in TRADES])[trade] * rng.uniform(0.7, 1.1, n),
        style=style,
        channel=channel,
        popularity=popularity,
        first=first,
        count=count,
        ladder=_ladder(pool, popularity),
    )


def _places(users: int) -> tuple[Ints, Ints, Ints]:
    """Pool, trade and rank in them of every merchant, in the order of Merchants."""
    total = float(np.clip(users * 0.9, 400, 30_000))
    shares: dict[int, float] = {}
    for home in HOMES:
        country = COUNTRIES.index(home.country)
        shares[country] = shares.get(country, 0.0) + home.share
    sizes: list[tuple[int, int, int]] = []
    for pool in range(NET + 1):
        names = NET_TRADES if pool == NET else FAR_TRADES if COUNTRIES[pool] in ABROAD else NEAR_TRADES
        size = total * (0.12 if pool == NET else 0.02 if COUNTRIES[pool] in ABROAD else shares[pool])
        visits = np.sqrt([TRADES[TRADE[name]].visits + 0.01 for name in names])
        counts = np.maximum(1, (size * visits / visits.sum()).astype(int))
        sizes += sorted((pool, TRADE[name], int(count)) for name, count in zip(names, counts, strict=True))
    pools, trades, counts = (np.array(column, np.int64) for column in zip(*sizes, strict=True))
    starts = np.cumsum(counts) - counts
    rank = np.arange(counts.sum()) - np.repeat(starts, counts) + 1
    return np.repeat(pools, counts), np.repeat(trades, counts), rank


def _ladder(pool: Ints, popularity: Floats) -> Floats:
    running = np.cumsum(popularity)
    ends = np.searchsorted(pool, np.arange(NET + 1), side="right") - 1
    before = np.concatenate(([0.0], running[ends[:-1]]))
    size = running[ends] - before
    # Just below the next whole number at most: a draw never leaves its pool.
    return np.asarray(pool + np.minimum((running - before[pool]) / size[pool], 1 - 1e-12))
