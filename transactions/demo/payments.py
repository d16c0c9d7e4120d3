"""Payments as columns, and what follows from user, instant and merchant: price, currency, country, device, status."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from transactions.demo.merchants import Merchants
from transactions.demo.people import LAPTOP, NEXT_PHONE, PHONE, People
from transactions.demo.period import DAY, Floats, Ints, Period
from transactions.demo.vocabulary import (
    COMPLETED,
    FAILED,
    NINES,
    ONLINE,
    PENDING,
    PER_EURO,
    REFUNDED,
    RETURNABLE,
    TRADE,
)

FAILURES = 0.022
RETURNS = 0.06


@dataclass(frozen=True, slots=True)
class World:
    """Everything there is before anybody pays."""

    period: Period
    merchants: Merchants
    people: People


@dataclass(frozen=True, slots=True)
class Payments:
    """n payments in any order. `kind` counts from 1 in KINDS, 0 is ordinary; only the label file tells it."""

    user: Ints
    at: Ints
    minor: Ints
    currency: Ints
    status: Ints
    merchant: Ints
    country: Ints
    device: Ints
    channel: Ints
    kind: Ints

    def __len__(self) -> int:
        return len(self.user)

    def take(self, chosen: Any) -> "Payments":
        """The chosen ones: a mask, places or a slice."""
        return Payments(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def but(self, **columns: Ints) -> "Payments":
        """The same with other columns."""
        return replace(self, **columns)


def join(parts: Sequence[Payments]) -> Payments:
    """All parts, one after the other."""
    return Payments(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Payments)))


def pay(
    rng: np.random.Generator, world: World, user: Ints, at: Ints, merchant: Ints, *, times: Floats | float = 1.0
) -> Payments:
    """Payments of users at merchants, at `times` what the user would usually pay there."""
    n = len(user)
    channel = world.merchants.channel[merchant]
    currency = _currency(rng, world, user, merchant)
    euros = _euros(rng, world, user, merchant) * times
    return Payments(
        user=user,
        at=at,
        minor=minor_units(euros, currency, world.merchants.style[merchant]),
        currency=currency,
        status=_status(rng, world, at, merchant),
        merchant=merchant,
        country=world.merchants.country[merchant],
        device=_device(rng, world, user, at, channel),
        channel=channel,
        kind=np.zeros(n, np.int64),
    )


def _euros(rng: np.random.Generator, world: World, user: Ints, merchant: Ints) -> Floats:
    merchants, people = world.merchants, world.people
    # Student's t: now and then an honest payment is far out, but nobody drinks coffee for 150.
    noise = np.clip(rng.standard_t(6, len(user)), -3.5, 3.5) * merchants.spread[merchant] * people.spread[user]
    return np.asarray(merchants.price[merchant] * people.level[user] * np.exp(np.clip(noise, -2.3, 2.3)))


def minor_units(euros: Floats, currency: Ints, style: Ints) -> Ints:
    """Prices in hundredths of the currency, as merchants of that style write them."""
    exact = np.maximum(euros * np.array(PER_EURO)[currency] * 100, 50)
    step = np.array([1, 100, 100, 10, 1000])[style]
    rounded = np.maximum(np.rint(exact / step), 1).astype(np.int64) * step
    return np.asarray(rounded - (style == NINES))


def _currency(rng: np.random.Generator, world: World, user: Ints, merchant: Ints) -> Ints:
    """The user's own, and where somebody uses two, the second mostly on the net."""
    people = world.people
    on_net = world.merchants.channel[merchant] == ONLINE
    share = people.second_share[user] * np.where(on_net, 1.0, 0.15)
    return np.where(rng.random(len(user)) < share, people.second[user], people.currency[user])


def _device(rng: np.random.Generator, world: World, user: Ints, at: Ints, channel: Ints) -> Ints:
    people = world.people
    day = (at - world.period.midnight) // DAY
    phone = np.where(day >= people.new_phone[user], NEXT_PHONE, PHONE)
    by_laptop = (channel == ONLINE) & people.has_laptop[user] & (rng.random(len(user)) < 0.6)
    return people.device[user, np.where(by_laptop, LAPTOP, phone)]


def _status(rng: np.random.Generator, world: World, at: Ints, merchant: Ints) -> Ints:
    draw, late = rng.random(len(at)), rng.random(len(at))
    returnable = np.isin(world.merchants.trade[merchant], [TRADE[name] for name in RETURNABLE])
    status = np.where(draw > 1 - RETURNS * returnable, REFUNDED, COMPLETED)
    # Card payments settle within days; a few hang for longer.
    waits_days = (world.period.end - at) / DAY
    status = np.where(late < 0.003 + 0.7 * np.exp(-waits_days / 0.6), PENDING, status)
    failing = FAILURES * np.where(world.merchants.channel[merchant] == ONLINE, 1.6, 1.0)
    return np.where(draw < failing, FAILED, status)
