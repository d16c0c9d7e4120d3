"""What the merchants of some rows took before them, read in the cheaper of two ways that give the same numbers.

A few rows have their stretches looked up one by one, as a live row does. Where most of a table is scored, all payments
at merchants go once into a file, sorted by merchant and time: 24 bytes each, shared by the processes of a run, so
that memory stays bounded. What is stored while a run goes on is not in its file: it counts from the next run on.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray

import scoring
from anomalies.estimates import estimated_rows
from anomalies.prepared import array
from scoring import visits
from transactions.history import (
    COUNTED_SQL,
    RECENT,
    STRETCH_SQL,
    VISIT,
    VISIT_SQL,
    YEAR_2000_US,
    History,
    currency_codes,
    unpacked,
)
from transactions.models import Transaction

SQL = Path(__file__).parent / "sql"
STRETCHES = (SQL / "merchant_stretches.sql").read_text()
STRETCHES = STRETCHES.replace("{stretch}", STRETCH_SQL).replace("{departed}", COUNTED_SQL)
TIMELINE = (SQL / "merchant_timeline.sql").read_text().replace("{visit}", VISIT_SQL)
DEPARTURES = (SQL / "departures_timeline.sql").read_text()
OWN_DEPARTURES = (SQL / "departures_own.sql").read_text()

# What names a merchant in a currency, and the same with an instant.
SHOP = np.dtype([("merchant", ">i8"), ("currency", ">u1", 3)])
DEPARTURE = np.dtype([*SHOP.descr, ("at", ">i8")])
DEPARTED = "departed"
INSTANT = np.dtype(">i8")
# Looking up one row costs as much as sorting so many into the file.
ROWS_A_LOOKUP = 100
LOOKED_UP_AT_ONCE = 2_000
# Values taken in before they are written: some MB.
BYTES_AT_ONCE = 1 << 22
# For the sort of the whole table; the rest of it goes to disk.
SORT_MEMORY = "128MB"
# Odd numbers without pattern, to tell a merchant's currencies and customers apart in one number.
SPREAD = np.int64(0x5851F42D4C957F2D)
SPREAD_CUSTOMERS = np.int64(0x14057B7EF767814F)


@dataclass(slots=True)
class Instants:
    """Instants of payments at merchants, in files of a folder; the shops (a merchant in a currency) are sorted by
    number.
    """

    folder: Path
    at_us: NDArray[np.int64] = field(init=False)
    shops: NDArray[np.int64] = field(init=False)
    bounds: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.at_us = _mapped(self.folder / "at_us")
        self.shops, self.bounds = np.load(self.folder / "shops.npy"), np.load(self.folder / "bounds.npy")

    def of(self, shop: NDArray[np.int64], known: NDArray[np.bool_]) -> visits.Stretch:
        """Those of some rows' shops; none where the shop is not known."""
        place = np.minimum(self.shops.searchsorted(shop), len(self.shops) - 1)
        there = known & (self.shops[place] == shop)
        # One of instants without rows holds one that nobody sees.
        return visits.Stretch(self.at_us, *(np.where(there, self.bounds[place, end], 0) for end in (0, 1)))


@dataclass(slots=True)
class Timeline:
    """All payments at merchants and, in a folder below, those that depart from their users' pasts."""

    folder: Path
    line: Instants = field(init=False)
    departed: Instants = field(init=False)
    steps: NDArray[np.int64] = field(init=False)
    squares: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.line, self.departed = Instants(self.folder), Instants(self.folder / DEPARTED)
        # The first number of a file of running sums is 0.
        self.steps, self.squares = (_mapped(self.folder / name) for name in ("steps", "squares"))

    def seen_by(self, past: History, rows: NDArray[np.intp]) -> scoring.Visits:
        """The stretches of some of the rows of a history."""
        columns = past.columns
        shop, known = number(columns.merchant[rows], columns.currency[rows]), columns.merchant[rows] != 0
        departed = visits.Departed(self.departed.of(shop, known), _own_departures(past, rows, shop))
        return visits.seen(self.line.of(shop, known), self.steps, self.squares, departed, columns.at_us[rows], known)


@dataclass(slots=True)
class Stretches:
    """Where a run's stretches come from. `folder` takes the file where there is one, or where one is worth while.

    Of `users` in all the first piece shows how many rows they have; without a folder every row is looked up.
    """

    folder: Path | None = None
    users: int = 0
    is_decided: bool = False
    timeline: Timeline | None = None
    # The file while it is being written.
    begun: Future[None] | None = None

    def begin(self, rows: int, beside: Executor) -> None:
        """For a run over about so many rows the file, if it is worth while, is written before it is needed.

        In a thread of its own, which sees what is committed. If it is not, the first piece decides, which may be of a
        reference.
        """
        if self.folder and _is_worth_while(rows):
            self.is_decided = True
            self.begun = beside.submit(_write_in_thread, connection.settings_dict, self.folder)

    def features(self, past: History, wanted: NDArray[np.bool_] | None = None) -> scoring.Features:
        """Features of the history's wanted rows, or of the given ones."""
        wanted = past.wanted if wanted is None else wanted
        rows = np.flatnonzero(wanted)
        if not self.is_decided:
            self._decide(past, len(rows))
        if self.begun and self.folder:
            self.begun.result()
            self._finish(self.folder)
        seen = self.timeline.seen_by(past, rows) if self.timeline else looked_up(past, rows)
        return scoring.build(past.columns, wanted, seen)

    def _decide(self, past: History, rows: int) -> None:
        here = len(np.unique(past.columns.user)) or 1
        self.is_decided = True
        if self.folder and _is_worth_while(int(rows * max(self.users / here, 1))):
            write_payments(self.folder)
            self._finish(self.folder)

    def _finish(self, folder: Path) -> None:
        write_departures(folder)
        self.timeline, self.begun = Timeline(folder), None

    @property
    def shared(self) -> Path | None:
        """What another process needs to read the same file."""
        return self.folder if self.timeline else None


def _is_worth_while(rows: int) -> bool:
    """Whether so many rows are scored in less time with a file of all payments than one by one."""
    return rows * ROWS_A_LOOKUP > estimated_rows(Transaction.objects.all())


def _write_in_thread(database: dict[str, Any], folder: Path) -> None:
    # In a test, and for whoever is the owner, it is not the database of the settings.
    connection.settings_dict = database
    try:
        write_payments(folder)
    finally:
        connection.close()


def _mapped(path: Path) -> NDArray[np.int64]:
    """The numbers of a file, of which only those are read that are looked at."""
    # As a plain array: each look into a memmap is an object of its own.
    return np.asarray(np.memmap(path, np.int64, "r"))


@contextmanager
def stretches(users: int) -> Iterator[Stretches]:
    """For a run over so many users' rows; its file is gone at the end."""
    with TemporaryDirectory(prefix="merchants-", ignore_cleanup_errors=True) as folder:
        yield Stretches(Path(folder), users)


def of_file(folder: Path | None) -> Stretches:
    """As another process of the run has decided: from its file, or row by row."""
    return Stretches(timeline=Timeline(folder) if folder else None, is_decided=True)


def looked_up(past: History, rows: NDArray[np.intp]) -> scoring.Visits:
    """The stretches of some rows of a history, each by range scans of its own."""
    packed: list[bytes | None] = []
    departed: list[bytes] = []
    known = past.columns.merchant[rows] != 0
    ids = [past.id_of(int(row)) for row in rows[known]]
    limits = {"visits": scoring.STRETCH_ROWS, "recent": RECENT}
    for start in range(0, len(ids), LOOKED_UP_AT_ONCE):
        for payments, counts in _values(STRETCHES, {"ids": array(ids[start : start + LOOKED_UP_AT_ONCE]), **limits}, 2):
            packed.append(payments)
            departed.append(counts)
    lengths, counted = np.zeros(len(rows), np.int64), np.zeros((2, len(rows)), np.int64)
    lengths[known] = [len(part or b"") // VISIT.itemsize for part in packed]
    counted[:, known] = np.frombuffer(b"".join(departed), ">i8").reshape(-1, 2).T
    place = np.cumsum(lengths)
    # Each came newest first.
    at_us, minor = (column[::-1] for column in unpacked([part for part in reversed(packed) if part]))
    steps, squares = visits.running(visits.steps_of(minor))
    return scoring.Visits(at_us, steps, squares, place - lengths, place, known, visits.Counted(*counted))


def _own_departures(past: History, rows: NDArray[np.intp], shop: NDArray[np.int64]) -> visits.Stretch:
    """Departures of the users of some rows, and where those of each row's user at its shop lie among them."""
    packed = _values(OWN_DEPARTURES, {"users": array(past.users[place] for place in past.places)}, 1)
    lengths = [len(part or b"") // DEPARTURE.itemsize for (part,) in packed]
    found = np.frombuffer(b"".join([part for (part,) in packed if part]), DEPARTURE)
    there = number(found["merchant"].astype(np.int64), currency_codes(found["currency"]))
    own = np.repeat(np.arange(len(lengths)), lengths) * SPREAD_CUSTOMERS
    at_us = found["at"].astype(np.int64) + YEAR_2000_US
    return visits.placed(at_us, there + own, shop + past.columns.user[rows] * SPREAD_CUSTOMERS)


def number(merchant: NDArray[np.int64], currency: NDArray[np.int32]) -> NDArray[np.int64]:
    """(n,) one number for a merchant in a currency; as good as surely no two are the same."""
    return merchant + currency.astype(np.int64) * SPREAD


def write_payments(folder: Path) -> None:
    """Sort all payments at merchants into files that `Timeline` reads. Memory does not grow with the table."""
    total = np.zeros(2, np.int64)
    with (folder / "steps").open("wb") as steps_file, (folder / "squares").open("wb") as squares_file:
        steps_file.write(bytes(8))
        squares_file.write(bytes(8))

        def instants(values: list[bytes]) -> NDArray[np.int64]:
            at_us, minor = unpacked(values)
            for place, (file, sums) in enumerate(
                zip((steps_file, squares_file), visits.running(visits.steps_of(minor)), strict=True)
            ):
                (sums[1:] + total[place]).tofile(file)
                total[place] += sums[-1]
            return at_us

        _write_instants(folder, TIMELINE, VISIT.itemsize, instants)


def write_departures(folder: Path) -> None:
    """The same of those that depart."""
    (folder / DEPARTED).mkdir()
    _write_instants(folder / DEPARTED, DEPARTURES, INSTANT.itemsize, _instants)


def _instants(values: list[bytes]) -> NDArray[np.int64]:
    return np.frombuffer(b"".join(values), INSTANT).astype(np.int64) + YEAR_2000_US


def _write_instants(folder: Path, query: str, size: int, instants: Callable[[list[bytes]], NDArray[np.int64]]) -> None:
    """Write what `Instants` reads: of a query's values, each of a shop's payments of so many bytes each."""
    keys: list[bytes] = []
    lengths: list[int] = []
    with (folder / "at_us").open("wb") as file:
        for values in _timeline(query, size, keys, lengths):
            instants(values).tofile(file)
        if not keys:
            file.write(bytes(8))
    _write_shops(folder, keys, np.array(lengths, np.int64))


def _timeline(query: str, size: int, keys: list[bytes], lengths: list[int]) -> Iterator[list[bytes]]:
    """Values of payments, some MB at a time; each one's shop and number of payments are added to the lists."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL work_mem = '{SORT_MEMORY}'")
        with cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT BINARY)") as copy:
            copy.set_types(["bytea", "bytea"])
            values, taken = [], 0
            for key, value in copy.rows():
                if keys and keys[-1] == key:
                    lengths[-1] += len(value) // size
                else:
                    keys.append(key)
                    lengths.append(len(value) // size)
                values.append(value)
                taken += len(value)
                if taken > BYTES_AT_ONCE:
                    yield values
                    values, taken = [], 0
        yield values
        # Only a sort wants so much, and the rest of the caller's transaction is none.
        cursor.execute("SET LOCAL work_mem = DEFAULT")


def _write_shops(folder: Path, keys: list[bytes], lengths: NDArray[np.int64]) -> None:
    named = np.frombuffer(b"".join(keys) or bytes(SHOP.itemsize), SHOP)
    ends = np.cumsum(lengths) if len(lengths) else np.zeros(1, np.int64)
    starts = ends - (lengths if len(lengths) else 0)
    shop = number(named["merchant"].astype(np.int64), currency_codes(named["currency"]))
    order = np.argsort(shop)
    np.save(folder / "shops.npy", shop[order])
    np.save(folder / "bounds.npy", np.stack([starts, ends], axis=1)[order])


def _values(query: str, parameters: dict[str, Any], columns: int) -> list[tuple[Any, ...]]:
    """The lines of a query of so many columns, as bytes and not as their hexadecimal text."""
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY ({cursor.mogrify(query, parameters)}) TO STDOUT (FORMAT BINARY)") as copy,
    ):
        copy.set_types(["bytea"] * columns)
        return list(copy.rows())
