"""The truth: which transactions were frauds, by a file or by the verdicts given in the console."""

import csv
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby, takewhile
from operator import itemgetter
from pathlib import Path
from uuid import UUID

import numpy as np
from django.utils import timezone
from numpy.typing import NDArray

from anomalies.models import Verdict
from transactions.evaluating.failures import EvaluationFailed, usage
from transactions.instants import EPOCH
from transactions.loading.shape import identifier

# A measure of each kind is worth reading for a few kinds; more of them is a column that names something else.
MOST_KINDS = 30
FRAUD = {"1", "true", "yes", "fraud"}
NO_FRAUD = {"", "0", "false", "no", "legitimate"}
ANY_KIND = "fraud"


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How to read a file of labels; `kind` and `fraud` may be empty, `namespace` is that of load_data."""

    path: Path
    id: str
    kind: str = ""
    fraud: str = ""
    namespace: str = ""


@dataclass(slots=True)
class Labels:
    """The frauds by their ids, as numbers of their kinds: 1 is the first of `kinds`, 0 is no fraud.

    Verdicts also say when a fraud became known, in days since 1970: `known` by its id, and `told` of whose payments
    and of which instant.
    """

    source: str
    kinds: list[str] = field(default_factory=list)
    by_id: dict[bytes, int] = field(default_factory=dict)
    known: dict[bytes, int] = field(default_factory=dict)
    told: list[tuple[UUID, datetime, int]] = field(default_factory=list)

    def add(self, id: bytes, kind: str) -> None:  # noqa: A002
        """Raises EvaluationFailed (usage) with more than MOST_KINDS."""
        if kind not in self.kinds:
            if len(self.kinds) == MOST_KINDS:
                raise usage(f"The labels have more than {MOST_KINDS} kinds: is --kind the right column?")
            self.kinds.append(kind)
        self.by_id[id] = self.kinds.index(kind) + 1

    def of(self, ids: NDArray[np.void]) -> NDArray[np.int64]:
        """(n,) the kind of each transaction, 0 for no fraud."""
        return np.fromiter((self.by_id.get(id.tobytes(), 0) for id in ids), np.int64, len(ids))  # noqa: A001

    def known_of(self, ids: NDArray[np.void], day: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) the day on which each transaction of `day` (n,) became known as a fraud: not before it happened."""
        told = (self.known.get(id.tobytes(), 0) for id in ids)  # noqa: A001
        return np.maximum(np.fromiter(told, np.int64, len(ids)), day)

    def sorted(self) -> "Labels":
        """The same with the kinds in the order of their names."""
        names = sorted(self.kinds)
        place = [names.index(kind) + 1 for kind in self.kinds]
        by_id = {id: place[kind - 1] for id, kind in self.by_id.items()}  # noqa: A001
        return replace(self, kinds=names, by_id=by_id)


def from_verdicts() -> Labels:
    """The transactions whose last known verdict is fraud; the kind is who said so, the verdict's source.

    A verdict counts from its `known_at` on. A fraud that several verdicts in a row say was known with the first.
    """
    labels = Labels("verdicts")
    said = Verdict.objects.filter(known_at__lte=timezone.now()).order_by("transaction_id", "known_at", "id")
    fields = ("transaction_id", "value", "source", "known_at", "user_id", "transaction__txn_date")
    for id, verdicts in groupby(said.values_list(*fields).iterator(), itemgetter(0)):  # noqa: A001
        newest_first = list(verdicts)[::-1]
        frauds = list(takewhile(lambda verdict: verdict[1] == Verdict.Value.FRAUD, newest_first))
        if frauds:
            _, _, _, known_at, user, at = frauds[-1]
            labels.add(id.bytes, frauds[0][2])
            labels.known[id.bytes] = day_of(known_at)
            labels.told.append((user, at, day_of(known_at)))
    if not labels.by_id:
        raise EvaluationFailed("No verdict says fraud: give some in the console, or name a file with --labels.")
    return labels.sorted()


def day_of(at: datetime) -> int:
    """Since 1970, in UTC."""
    return (at - EPOCH).days


def from_file(options: FileOptions) -> Labels:
    """The frauds that a CSV file names. Raises EvaluationFailed."""
    labels = Labels(str(options.path))
    try:
        for line, row in _rows(options):
            if _is_fraud(options, row, line):
                labels.add(_identified(options, row[options.id] or "", line), row.get(options.kind) or ANY_KIND)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        told = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise EvaluationFailed(f"{options.path} cannot be read: {told}.") from error
    if not labels.by_id:
        raise EvaluationFailed(f"{options.path} names no fraud.")
    return labels.sorted()


def _rows(options: FileOptions) -> Iterator[tuple[int, dict[str, str | None]]]:
    with options.path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    opened = gzip.open if is_gzip else open
    with opened(options.path, "rt", encoding="utf-8-sig", newline="") as text:
        reader = csv.DictReader(text, strict=True)
        for option in ("id", "kind", "fraud"):
            column = getattr(options, option)
            if column and column not in (reader.fieldnames or ()):
                given = {"id": "--id", "kind": "--kind", "fraud": "--fraud-column"}[option]
                there = ", ".join(reader.fieldnames or ()) or "none"
                raise usage(f"{options.path} has no column {column!r} ({given}). Its columns are: {there}.")
        for row in reader:
            yield reader.line_num, row


def _is_fraud(options: FileOptions, row: dict[str, str | None], line: int) -> bool:
    if not options.fraud:
        return True
    value = (row[options.fraud] or "").strip().lower()
    if value not in FRAUD | NO_FRAUD:
        raise usage(f"{options.path}, line {line}: {value!r} in {options.fraud} says neither fraud (1) nor none (0).")
    return value in FRAUD


def _identified(options: FileOptions, text: str, line: int) -> bytes:
    """A UUID as it is, anything else as load_data --namespace made a UUID of it."""
    try:
        return UUID(text).bytes
    except ValueError:
        if options.namespace and text:
            return UUID(identifier(options.namespace, text)).bytes
    raise usage(
        f"{options.path}, line {line}: {text!r} in {options.id} is no UUID. "
        "If load_data was given a --namespace, give the same one here."
    )
