"""A demo data set: columns in the order of time with their ids, its rows, and its labels."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from transactions.demo.merchants import Merchants, merchants
from transactions.demo.ordinary import ordinary
from transactions.demo.payments import Payments, World
from transactions.demo.people import people
from transactions.demo.period import Ints, period
from transactions.demo.planted import plant
from transactions.demo.vocabulary import CHANNELS, COUNTRIES, CURRENCIES, KINDS, STATUSES, TRADES
from transactions.rows import Row


@dataclass(frozen=True, slots=True)
class Made:
    """n payments in the order of time; ids (n,) and users (m,) as 16 bytes each."""

    payments: Payments
    at_ms: Ints
    ids: NDArray[np.void]
    users: NDArray[np.void]
    merchants: Merchants

    def __len__(self) -> int:
        return len(self.payments)

    def rows(self, start: int, stop: int) -> list[Row]:
        """Rows `start` to `stop`. They obey the law by construction, which the tests check with `rows.check`."""
        part = self.payments.take(slice(start, stop))
        users = {number: UUID(bytes=self.users[number].tobytes()) for number in np.unique(part.user).tolist()}
        instants = (self.at_ms[start:stop]).astype("datetime64[ms]").astype(datetime)
        return [
            Row(
                UUID(bytes=id_),
                users[user],
                Decimal(minor).scaleb(-2),
                CURRENCIES[currency],
                instant.replace(tzinfo=UTC),
                STATUSES[status],
                meta_data,
            )
            for id_, user, minor, currency, instant, status, meta_data in zip(
                self.ids[start:stop].tolist(),
                part.user.tolist(),
                part.minor.tolist(),
                part.currency.tolist(),
                instants.tolist(),
                part.status.tolist(),
                self._meta_data(part),
                strict=True,
            )
        ]

    def _meta_data(self, part: Payments) -> Iterator[str]:
        """Canonical text, as `rows.check` would write it."""
        trades = [TRADES[trade].name for trade in self.merchants.trade[part.merchant].tolist()]
        columns = (trades, part.channel.tolist(), part.country.tolist(), part.device.tolist(), part.merchant.tolist())
        names = self.merchants.names
        for trade, channel, country, device, merchant in zip(*columns, strict=True):
            yield (
                f'{{"category":"{trade}","channel":"{CHANNELS[channel]}","country":"{COUNTRIES[country]}",'
                f'"device_id":"{device:012x}","merchant_id":"{names[merchant]}"}}'
            )

    def labels(self) -> Iterator[tuple[UUID, str]]:
        """Id and kind of every planted payment."""
        for place in np.flatnonzero(self.payments.kind).tolist():
            yield UUID(bytes=self.ids[place].tobytes()), KINDS[int(self.payments.kind[place]) - 1]


def make(*, users: int, days: int, seed: int, end: datetime) -> Made:
    """The data set of these numbers: the same numbers give the same rows, ids included."""
    # The end counts as well: sets that end at different times are of different people, and do not mix.
    entropy = (seed, users, days, int(end.timestamp()))
    shops, population, life, mischief, finish = (
        np.random.default_rng(child) for child in np.random.SeedSequence(entropy).spawn(5)
    )
    span, shop = period(end, days), merchants(shops, users)
    world = World(span, shop, people(population, users, span, shop))
    payments = plant(mischief, world, ordinary(life, world))
    # One clock for all, so that no fraction of a second tells who was planted.
    at_ms = payments.at * 1000 + finish.integers(0, 1000, len(payments))
    noise = finish.integers(0, 1 << 62, len(payments))
    order = np.lexsort((noise, at_ms))
    payments, at_ms = payments.take(order), at_ms[order]
    return Made(payments, at_ms, _version_7(finish, at_ms), _version_4(finish, users), shop)


def _version_7(rng: np.random.Generator, at_ms: Ints) -> NDArray[np.void]:
    """UUIDs of their milliseconds. The 12 bits after those rise within one, as a counter would make them."""
    n = len(at_ms)
    first = np.searchsorted(at_ms, at_ms, side="left")
    counter = np.minimum(rng.integers(0, 1024, n)[first] + np.arange(n) - first, 4095)
    high = (at_ms << 16) | 0x7000 | counter
    low = rng.integers(0, 1 << 62, n) | -(1 << 63)
    return _bytes(high, low)


def _version_4(rng: np.random.Generator, n: int) -> NDArray[np.void]:
    high = (rng.integers(0, 1 << 63, n) & ~0xF000) | 0x4000
    low = rng.integers(0, 1 << 62, n) | -(1 << 63)
    return _bytes(high, low)


def _bytes(high: Ints, low: Ints) -> NDArray[np.void]:
    return np.stack([high, low], axis=1).astype(">i8").view("V16").ravel()
