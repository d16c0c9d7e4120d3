"""Transactions as arrays: the only form in which scoring sees them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# The largest amount in hundredths that is told apart from larger ones: below 2**53, so that twice a
# median is exact as a float, and window sums of winsorised amounts stay within 63 bits.
LARGEST_MINOR = 9_000_000_000_000_000

# A key (of a merchant, a category, a country, a device) is told apart by this many of its low bits:
# they leave room for a place in a block beside them, and a float holds them exactly.
KEY_BITS = 48
KEYS = ("merchant", "category", "country", "device")
NONE: Ints = np.zeros(0, np.int64)
# The columns of one user's rows in one array.
STACKED = ("at_us", "minor", *KEYS, "currency", "failed")
# The same as they are packed.
PACKED = ("at_us", "minor", *KEYS, "currency << 8 | failed")

Known = TypeVar("Known")


@dataclass(frozen=True, slots=True)
class Columns:
    """n transactions, each user's rows together and in the order (time, id).

    user (n,) int64, any number that names the user; at_us (n,) int64, microseconds since 1970 UTC;
    minor (n,) int64, amount in hundredths, 0 to LARGEST_MINOR; currency (n,) int32, any number >= 0
    that names it; failed (n,) bool, the status says that the payment did not go through; merchant,
    category, country, device (n,) int64, any numbers that name them in KEY_BITS bits, 0 is unknown; a
    column left out is unknown throughout.
    Raises ValueError where lengths differ or a user's times go backwards.
    """

    user: Ints
    at_us: Ints
    minor: Ints
    currency: NDArray[np.int32]
    failed: Bools
    merchant: Ints = field(default_factory=lambda: NONE)
    category: Ints = field(default_factory=lambda: NONE)
    country: Ints = field(default_factory=lambda: NONE)
    device: Ints = field(default_factory=lambda: NONE)

    def __post_init__(self) -> None:
        for name in KEYS:
            if getattr(self, name) is NONE:
                object.__setattr__(self, name, np.zeros(len(self.user), np.int64))
        if any(getattr(self, name).shape != self.user.shape for name in self.__slots__):
            raise ValueError("the columns differ in length")
        if bool(np.any((np.diff(self.at_us) < 0) & (np.diff(self.user) == 0))):
            raise ValueError("a user's rows are not in the order of time")

    def __len__(self) -> int:
        return len(self.user)

    def stacked(self) -> Ints:
        """(8, n) one user's rows as whole numbers: STACKED."""
        return np.array([getattr(self, name) for name in STACKED], np.int64)

    def packed(self) -> Ints:
        """(7, n) the same: PACKED."""
        both = self.currency.astype(np.int64) << 8 | self.failed
        return np.array([self.at_us, self.minor, *(getattr(self, name) for name in KEYS), both])

    def part(self, start: int, stop: int) -> "Columns":
        """Rows start to stop, without copying."""
        cut = slice(start, stop)
        return Columns(*(getattr(self, name)[cut] for name in self.__slots__))


def by_currency(currency: NDArray[np.int32], known: Mapping[int, Known]) -> Iterator[tuple[Known, Bools | slice]]:
    """What is known of each currency, and which rows (n,) are in it, if there are any."""
    for code, one in known.items():
        rows = currency == code
        if rows.all():
            # Most often all are: a slice copies nothing.
            yield one, slice(None)
        elif rows.any():
            yield one, rows
