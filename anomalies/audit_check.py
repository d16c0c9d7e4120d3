"""Checks the chain of the audit log, and names the first place at which it is broken."""

from collections.abc import Iterator
from typing import NamedTuple

from anomalies.audit import digest
from anomalies.models import AuditEntry

# Read in pieces by the key, in constant memory and with no transaction that stays open.
PIECE = 2_000


class Noted(NamedTuple):
    """A head that was written down earlier: this entry had this hash."""

    position: int
    hash: str

    def __str__(self) -> str:
        return f"{self.position}:{self.hash}"


class Broken(NamedTuple):
    """The first entry that is not as it was written; `entry` is None where it is missing."""

    position: int
    entry: AuditEntry | None
    why: str


class Checked(NamedTuple):
    """How far the chain holds, and where it breaks if it does."""

    entries: int
    head: Noted
    broken: Broken | None


def check(expected: Noted | None = None) -> Checked:
    """Follow the chain from its first entry to its last. `expected` must be on it: else its end was cut off, or all
    of it was written anew.
    """
    head, entries = Noted(0, ""), 0
    for entry in _entries():
        broken = _fault(entry, head) or _other_than(expected, entry)
        if broken:
            return Checked(entries, head, broken)
        head, entries = Noted(entry.position, entry.hash), entries + 1
    return Checked(entries, head, _cut(expected, head))


def _entries() -> Iterator[AuditEntry]:
    position = None
    while True:
        following = AuditEntry.objects.order_by("position")
        if position is not None:
            following = following.filter(position__gt=position)
        piece = list(following[:PIECE])
        yield from piece
        if len(piece) < PIECE:
            return
        position = piece[-1].position


def _fault(entry: AuditEntry, before: Noted) -> Broken | None:
    if entry.position <= before.position or entry.position < 1:
        return Broken(entry.position, entry, "its number is none that the log gives")
    if entry.position != before.position + 1:
        first, last = before.position + 1, entry.position - 1
        gap = "it is missing" if first == last else f"it and all up to {last} are missing"
        return Broken(first, None, gap)
    if digest(entry) != entry.hash:
        return Broken(entry.position, entry, "its content is not what was written")
    if entry.previous_hash != before.hash:
        return Broken(entry.position, entry, "it does not follow on the entry before it: one of the two was replaced")
    return None


def _other_than(expected: Noted | None, entry: AuditEntry) -> Broken | None:
    if expected is None or entry.position != expected.position or entry.hash == expected.hash:
        return None
    return Broken(entry.position, entry, "it has another hash than the one noted: the log was written anew up to here")


def _cut(expected: Noted | None, head: Noted) -> Broken | None:
    if expected is None or expected.position <= head.position:
        return None
    return Broken(head.position + 1, None, f"the end of the log is cut off: entry {expected.position} was noted")
