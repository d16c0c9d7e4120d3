"""What a load did, in numbers that always add up: accepted + duplicate + conflict + rejected = rows."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

# Of each file so many refused rows, and so many reasons, are shown at the end.
SHOWN = 5


@dataclass(slots=True)
class Tally:
    """What became of rows."""

    accepted: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: int = 0

    @property
    def rows(self) -> int:
        return self.accepted + self.duplicate + self.conflict + self.rejected

    def add(self, other: "Tally") -> None:
        """Count the other's rows too."""
        self.accepted += other.accepted
        self.duplicate += other.duplicate
        self.conflict += other.conflict
        self.rejected += other.rejected


class Example(NamedTuple):
    """A refused row, with the first thing that is wrong with it."""

    line: int
    field: str
    code: str
    detail: str


@dataclass(slots=True)
class FileSummary:
    """One file: what became of all its rows so far, and how many of them an earlier run had done."""

    name: str
    tally: Tally
    earlier: Tally
    line: int = 0
    reject_path: str = ""
    # "field: code" of what was rejected in this run.
    reasons: Counter[str] = field(default_factory=Counter)
    # The first refused rows of this run.
    examples: list[Example] = field(default_factory=list)
    finished: bool = False

    def as_json(self) -> dict[str, Any]:
        """The file's part of `--json`."""
        return {
            "name": self.name,
            "rows": self.tally.rows,
            **asdict(self.tally),
            "earlier": {"rows": self.earlier.rows, **asdict(self.earlier)},
            "line": self.line,
            "finished": self.finished,
            "reject_file": self.reject_path,
            "reasons": dict(self.reasons.most_common()),
            "examples": [example._asdict() for example in self.examples],
        }


@dataclass(slots=True)
class Summary:
    """All files of one run."""

    files: list[FileSummary] = field(default_factory=list)
    seconds: float = 0.0
    dry_run: bool = False
    stopped: bool = False

    def total(self) -> Tally:
        """What became of all rows."""
        total = Tally()
        for file in self.files:
            total.add(file.tally)
        return total

    def earlier(self) -> Tally:
        """The part of it that earlier runs had done."""
        earlier = Tally()
        for file in self.files:
            earlier.add(file.earlier)
        return earlier

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        total, earlier = self.total(), self.earlier()
        return {
            "rows": total.rows,
            **asdict(total),
            "earlier": {"rows": earlier.rows, **asdict(earlier)},
            "dry_run": self.dry_run,
            "stopped": self.stopped,
            "seconds": round(self.seconds, 3),
            "files": [file.as_json() for file in self.files],
        }

    def sentence(self) -> str:
        """The one line at the end."""
        total, earlier = self.total(), self.earlier()
        new = total.rows - earlier.rows
        rate = f" ({new / self.seconds:,.0f} rows/s)" if new and self.seconds else ""
        before = f" Of them, {earlier.rows:,} were done by an earlier run." if earlier.rows else ""
        begin = "Stopped: " if self.stopped else "Dry run, nothing stored: " if self.dry_run else ""
        return (
            f"{begin}{total.rows:,} rows = {total.accepted:,} accepted + {total.duplicate:,} duplicate + "
            f"{total.conflict:,} conflict + {total.rejected:,} rejected, in {self.seconds:.1f} s{rate}.{before}"
        )

    def notes(self) -> list[str]:
        """What a person wants to know besides: what was refused and where it is, and how to go on."""
        notes = []
        for file in self.files:
            if file.finished and file.earlier.rows == file.tally.rows and file.tally.rows:
                notes.append(f"{file.name} was loaded before. --again reads it anew.")
            for line, named, code, detail in file.examples:
                notes.append(f"{file.name}, line {line:,}: {named or 'row'}: {code}: {detail}")
            if sum(file.reasons.values()) > len(file.examples):
                counts = ", ".join(f"{rows:,} × {reason}" for reason, rows in file.reasons.most_common(SHOWN))
                notes.append(f"{file.name}: {counts}.")
            if file.reject_path:
                notes.append(f"Mend the refused rows of {file.name} in {file.reject_path} and load that file.")
        if self.stopped:
            notes.append("Run the same command again to go on.")
        return notes
