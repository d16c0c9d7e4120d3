"""Many rows between their check and the database: as the lines that COPY reads.

To make an object of each row, and a line of the object, takes longer than to read and check it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from anomalies import pending
from transactions.rows import Row

# The earliest instant of a user, and its text.
Since = dict[str, tuple[datetime, str]]
# In this order, because lines that are sorted as text come user by user then: a user's rows land in neighbouring
# pages of the index, and two sessions that write the same few rows wait for each other in one order.
COLUMNS = ("user_id", "txn_date", "id", "amount", "currency", "status", "meta_data")


@dataclass(slots=True)
class Lines:
    """Rows that obey the law, each in the same place of five lists.

    Its ids as PostgreSQL writes them, its instant, the instant's text, and its line.
    """

    ids: list[str] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    dates: list[datetime] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, row: Row) -> None:
        self.ids.append(str(row.id))
        self.users.append(str(row.user_id))
        self.dates.append(row.txn_date)
        self.written.append(row.txn_date.isoformat())
        self.texts.append(line(row))

    def extend(self, others: "Lines") -> None:
        self.ids += others.ids
        self.users += others.users
        self.dates += others.dates
        self.written += others.written
        self.texts += others.texts

    def pop(self, place: int) -> None:
        for values in (self.ids, self.users, self.dates, self.written, self.texts):
            values.pop(place)

    def tell(self, since: Since, places: Iterable[int] | None = None) -> None:
        """Put the earliest instant of each user's rows into `since`, of all rows or those in some places."""
        for place in range(len(self)) if places is None else places:
            user, at = self.users[place], self.dates[place]
            if user not in since or at < since[user][0]:
                since[user] = at, self.written[place]


def marks(since: Since) -> pending.Marks:
    return pending.marks({user: written for user, (_, written) in since.items()})


def of(rows: Iterable[Row]) -> Lines:
    lines = Lines()
    for row in rows:
        lines.add(row)
    return lines


def line(row: Row) -> str:
    """The row in COPY's text format. The law leaves only the backslash to escape, in meta_data."""
    meta_data = row.meta_data.replace("\\", "\\\\")
    return (
        f"{row.user_id}\t{row.txn_date.isoformat()}\t{row.id}\t"
        f"{row.amount}\t{row.currency}\t{row.status}\t{meta_data}\n"
    )
