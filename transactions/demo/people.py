"""The users: where they live, when they pay, how much, at which merchants, with which devices."""

from dataclasses import dataclass

import numpy as np

from transactions.demo.merchants import NET, Merchants
from transactions.demo.period import Bools, Floats, Ints, Period, choose, curve
from transactions.demo.vocabulary import COUNTRIES, CURRENCIES, HOMES, RHYTHMS

FAVOURITES_NEAR = 18
FAVOURITES_NET = 6
# Slots of a user's devices: the phone, a laptop, and the phone that comes after.
PHONE, LAPTOP, NEXT_PHONE = range(3)
FAR_FUTURE = 1 << 40


@dataclass(frozen=True, slots=True)
class People:
    """n users. Days are numbered as in the period; a span that does not happen lies in the far future."""

    rhythm: Ints
    home: Ints
    country: Ints
    currency: Ints
    # The other currency of those who use two, and how often they do.
    second: Ints
    second_share: Floats
    # A user's prices are so many times the merchant's, and vary so much more or less.
    level: Floats
    spread: Floats
    rate: Floats
    shift_s: Ints
    joined: Ints
    left: Ints
    trip: Ints
    trip_days: Ints
    # The pool they shop in meanwhile; -1 is staying at home and paying nothing.
    trip_pool: Ints
    device: Ints
    has_laptop: Bools
    new_phone: Ints
    favourites: Ints
    taste: Floats
    explores: Floats

    def __len__(self) -> int:
        return len(self.rhythm)


def people(rng: np.random.Generator, n: int, period: Period, merchants: Merchants) -> People:
    """n users with lives of their own."""
    rhythm = rng.choice(len(RHYTHMS), n, p=[one.share for one in RHYTHMS])
    shares = np.array([one.share for one in HOMES])
    home = rng.choice(len(HOMES), n, p=shares / shares.sum())
    country = np.array([COUNTRIES.index(one.country) for one in HOMES])[home]
    currency = np.array([CURRENCIES.index(one.currency) for one in HOMES])[home]
    trip, trip_days, trip_pool = _trips(rng, n, period, country)
    favourites, taste = _favourites(rng, country, merchants)
    return People(
        rhythm=rhythm,
        home=home,
        country=country,
        currency=currency,
        second=(currency + rng.integers(1, len(CURRENCIES), n)) % len(CURRENCIES),
        second_share=np.where(rng.random(n) < 0.14, rng.uniform(0.1, 0.6, n), 0.0),
        level=rng.lognormal(0, 0.35, n),
        spread=rng.lognormal(-0.05, 0.2, n),
        rate=np.array([one.rate for one in RHYTHMS])[rhythm] * rng.lognormal(-0.15, 0.55, n),
        shift_s=(rng.normal(0, 2000, n)).astype(np.int64),
        joined=np.where(rng.random(n) < 0.75, 0, rng.integers(0, max(1, period.days * 6 // 10), n)),
        left=np.where(rng.random(n) < 0.05, rng.integers(period.days // 2, period.days, n), FAR_FUTURE),
        trip=trip,
        trip_days=trip_days,
        trip_pool=trip_pool,
        device=rng.integers(1 << 40, 1 << 48, (n, 3)),
        has_laptop=rng.random(n) < 0.6,
        new_phone=np.where(rng.random(n) < 0.2, rng.integers(0, period.days, n), FAR_FUTURE),
        favourites=favourites,
        taste=taste,
        explores=rng.beta(2, 8, n),
    )


def _trips(rng: np.random.Generator, n: int, period: Period, country: Ints) -> tuple[Ints, Ints, Ints]:
    """First day, length and pool of the one long absence that about half of the users have."""
    day = rng.integers(0, period.days, n)
    length = rng.integers(4, 17, n)
    abroad = (country + rng.integers(1, len(COUNTRIES), n)) % len(COUNTRIES)
    fate = rng.random(n)
    # Some do not pay for months and come back, without anybody having stolen anything.
    length = np.where(fate < 0.03, rng.integers(45, 110, n), length)
    pool = np.where(fate < 0.2, -1, abroad)
    return np.where(fate < 0.5, day, FAR_FUTURE), length, pool


def _favourites(rng: np.random.Generator, country: Ints, merchants: Merchants) -> tuple[Ints, Floats]:
    """(n, slots) merchants of each user, and how often each is visited, added up along the slots."""
    n = len(country)
    near = merchants.by_popularity(np.repeat(country, FAVOURITES_NEAR), rng.random(n * FAVOURITES_NEAR))
    net = merchants.by_popularity(np.full(n * FAVOURITES_NET, NET), rng.random(n * FAVOURITES_NET))
    slots = np.concatenate([near.reshape(n, -1), net.reshape(n, -1)], axis=1)
    weight = rng.gamma(0.7, 1.0, slots.shape) + 1e-6
    weight[:, FAVOURITES_NEAR:] *= rng.lognormal(-0.4, 0.7, (n, 1))
    return slots, np.cumsum(weight, axis=1)


# (rhythms, 24): how likely each local hour is.
HOURS = np.array([curve(one.hours) for one in RHYTHMS])


def seconds_of_day(rng: np.random.Generator, people: People, user: Ints, weights: Floats, line: Ints) -> Ints:
    """A local second of the day for each payment, from its line of `weights` (lines, 24)."""
    hour = choose(np.cumsum(weights, axis=1), line, rng.random(len(line)))
    second = hour * 3600 + rng.integers(0, 3600, len(line)) + people.shift_s[user]
    return second % 86_400


def usual_seconds(rng: np.random.Generator, people: People, user: Ints) -> Ints:
    """A local second of the day at which each user might well pay."""
    return seconds_of_day(rng, people, user, HOURS, people.rhythm[user])
