"""The demo data as something to load, the way files are: resumable, and never stored twice."""

import csv
import hashlib
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from transactions.demo.made import Made, make
from transactions.loading.chunks import ROWS_AT_ONCE, Chunk
from transactions.loading.failures import LoadFailed, usage
from transactions.loading.records import Record
from transactions.loading.rejects import RejectFile
from transactions.models import Load

USERS, DAYS, SEED = 1150, 150, 1
FEWEST_USERS, FEWEST_DAYS = 20, 30
# About as many rows: all of them are in memory at once.
MOST_USER_DAYS = 20_000_000
# A new number whenever the same options come to give other rows.
MEANING = 1


@dataclass(slots=True)
class DemoJob:
    """A demo data set on its way into the table; its positions are numbers of rows."""

    made: Made
    name: str
    digest: str
    labels_path: Path
    size: int = field(init=False)
    rejects: RejectFile | None = None

    def __post_init__(self) -> None:
        self.size = len(self.made)

    def chunks(self, position: int, line: int, max_rejects: int | None) -> Generator[Chunk]:
        """The rows from `position` on. The law refuses none, so `max_rejects` has nothing to count."""
        del line, max_rejects
        for start in range(position, self.size, ROWS_AT_ONCE):
            stop = min(start + ROWS_AT_ONCE, self.size)
            rows = self.made.rows(start, stop)
            records = [Record(number, {}) for number in range(start + 1, stop + 1)]
            yield Chunk(rows, records, position=stop, line=stop)

    def check_complete(self) -> None:
        """Nothing can have changed meanwhile: no file is behind it."""

    def write_labels(self) -> int:
        """Write the label file and say how many labels it has. Raises LoadFailed."""
        labels = list(self.made.labels())
        try:
            self.labels_path.parent.mkdir(parents=True, exist_ok=True)
            # In place: renaming another file to it would replace a link, or a device such as /dev/null. What a
            # kill cuts short, the next run writes again.
            with self.labels_path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerows([("transaction_id", "kind"), *labels])
        except OSError as error:
            raise LoadFailed(f"The labels cannot be written to {self.labels_path}: {error.strerror}.") from error
        return len(labels)


def demo(
    *, users: int | None, days: int | None, seed: int | None, end: datetime | None, labels_path: str = ""
) -> DemoJob:
    """The demo data set of these numbers; where no end is given, up to the last full hour. Raises LoadFailed."""
    users, days, seed = (given if given is not None else usual for given, usual in
                         ((users, USERS), (days, DAYS), (seed, SEED)))  # fmt: skip
    if users < FEWEST_USERS or days < FEWEST_DAYS or users * days > MOST_USER_DAYS:
        raise usage(
            f"The demo needs --users of {FEWEST_USERS} or more and --days of {FEWEST_DAYS} or more, "
            f"and --users times --days of at most {MOST_USER_DAYS:,}."
        )
    what = f"demo data (users {users}, days {days}, seed {seed}, end "
    end = end or _unfinished(what) or timezone.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if end > timezone.now():
        raise usage("--end must not lie in the future: payments are past.")
    name = f"{what}{end:%Y-%m-%dT%H:%M:%SZ})"
    return DemoJob(
        made=make(users=users, days=days, seed=seed, end=end),
        name=name,
        digest=hashlib.blake2b(f"{MEANING}\n{name}".encode(), digest_size=32).hexdigest(),
        labels_path=Path(labels_path or settings.BASE_DIR / "var" / "demo-labels.csv"),
    )


def _unfinished(what: str) -> datetime | None:
    """The end that a load of the same numbers had when it was broken off. A later hour makes another set."""
    names = Load.objects.filter(name__startswith=what, finished_at=None).order_by("-started_at")
    found = names.values_list("name", flat=True).first()
    return datetime.fromisoformat(found[len(what) : -1]) if found else None
