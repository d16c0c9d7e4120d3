"""What the lists of transactions and users show."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from anomalies.api.listing import Column, Listing, Ordering, Position, Row
from anomalies.api.parameters import instant

USERS_SQL = (Path(__file__).parents[1] / "sql" / "users_page.sql").read_text()
USERS_AFTER = USERS_SQL.format(beyond=">", direction="ASC")
USERS_BEFORE = USERS_SQL.format(beyond="<", direction="DESC")
BEFORE_ALL = UUID(int=0)


def transaction(row: dict[str, Any]) -> dict[str, Any]:
    """A transaction's columns as the API shows them; meta_data goes through digit for digit."""
    row["meta_data"] = orjson.Fragment(row["meta_data"])
    return row


TRANSACTIONS = Listing(
    table="transactions",
    columns=(
        "id",
        "user_id",
        "amount",
        "currency",
        "txn_date",
        "status",
        "meta_data",
        "merchant_id",
        "received_at",
    ),
    # A text from the start: a Decimal for each row takes longer than the rest of its JSON.
    expressions={"amount": "amount::text", "meta_data": "meta_data::text"},
    orderings={"newest": Ordering((Column("txn_date", instant, descending=True), Column("id", UUID)))},
    present=transaction,
)


@dataclass(frozen=True, kw_only=True)
class UserListing(Listing):
    """The users that have transactions: there is no table of them, but the index knows where each begins."""

    def fetch(self, _ordering: Ordering, position: Position | None, limit: int) -> list[Row]:
        backward = position is not None and position.backward
        start: UUID = BEFORE_ALL if position is None else position.key[0]
        if position is not None and position.inclusive:
            start = UUID(int=start.int + (1 if backward else -1))
        with connection.cursor() as cursor:
            cursor.execute(USERS_BEFORE if backward else USERS_AFTER, {"start": start, "limit": limit})
            found: list[Row] = cursor.fetchall()
        return found


USERS = UserListing(
    table="users",
    columns=("user_id", "first_seen", "last_seen", "open_case_id"),
    orderings={"user": Ordering((Column("user_id", UUID),))},
    countable=False,
)
