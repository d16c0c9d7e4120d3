"""Made-up transactions for the tests of scoring: arrays, no database."""

from dataclasses import replace

import numpy as np

from scoring import STRETCH_ROWS, Columns, Features, Reference, Seen, Visits, build

DAY_US = 86_400_000_000
# A Tuesday in 2024.
START_US = 1_704_153_600_000_000


def history(
    rng: np.random.Generator,
    *,
    rows: int,
    user: int = 1,
    days: float = 120,
    currencies: int = 1,
    failing: float = 0.05,
    step_us: int = 1,
    keyed: bool = False,
) -> Columns:
    """One user's rows at random instants of the days; a large step_us makes many of them the same instant.

    keyed: with merchants, categories, countries and devices, each unknown in some rows.
    """
    at_us = START_US + np.sort(rng.integers(0, max(int(days * DAY_US) // step_us, 1), rows)) * step_us
    return Columns(
        user=np.full(rows, user),
        at_us=at_us,
        minor=np.rint(rng.lognormal(8, 1, rows)).astype(np.int64),
        currency=rng.integers(0, currencies, rows).astype(np.int32),
        failed=rng.random(rows) < failing,
        **(keys(rng, rows) if keyed else {}),
    )


def keys(rng: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    """Keys of every size and sign; of categories few, of merchants many, of countries hardly a second one."""
    numbers = {
        "merchant": rng.geometric(0.02, rows),
        "category": rng.integers(0, 6, rows),
        "country": np.where(rng.random(rows) < 0.01, 2, 1),
        "device": rng.geometric(0.3, rows),
    }
    return {
        name: np.where(rng.random(rows) < 0.1, 0, number * 0x1234567890ABCDF - 2**40)
        for name, number in numbers.items()
    }


def together(parts: list[Columns]) -> Columns:
    """The rows of several users, one after the other."""
    return Columns(*(np.concatenate([getattr(part, name) for part in parts]) for name in Columns.__slots__))


def picked(columns: Columns, rows: np.ndarray) -> Columns:
    """Some of the rows, by mask or indices."""
    return Columns(*(getattr(columns, name)[rows] for name in Columns.__slots__))


def population(seed: int = 0, *, users: int = 60, rows: int = 100, keyed: bool = False) -> Columns:
    """Users who differ in their usual amount."""
    rng = np.random.default_rng(seed)
    return together(
        [scaled(history(rng, rows=rows, user=user, keyed=keyed), rng.lognormal(0, 0.5)) for user in range(users)]
    )


def scaled(columns: Columns, factor: float) -> Columns:
    minor = np.rint(columns.minor * factor).astype(np.int64)
    return replace(columns, minor=minor)


def stretch(columns: Columns, i: int) -> list[int]:
    """The rows that row i sees at its merchant, by their definition."""
    there = (columns.merchant == columns.merchant[i]) & (columns.currency == columns.currency[i])
    rows = np.flatnonzero(there & (columns.at_us < columns.at_us[i]))
    latest: list[int] = rows[np.argsort(columns.at_us[rows], kind="stable")][-STRETCH_ROWS:].tolist()
    return latest


def seen_by(columns: Columns, i: int, visits: Visits) -> Seen:
    """What row i sees at its merchant; its departures are counted by the `visits` of all rows."""
    rows = stretch(columns, i)[::-1] if columns.merchant[i] else []
    payments = np.stack((columns.at_us[rows], columns.minor[rows]), axis=1)
    recent, before = visits.departures(np.array([i]), columns.at_us[i : i + 1])
    return Seen(payments, bool(columns.merchant[i]), int(recent[0]), int(before[0]))


def reference_of(columns: Columns) -> tuple[Features, Reference]:
    features = build(columns)
    return features, Reference.fit(features)
