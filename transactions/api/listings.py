"""What the lists of transactions and users show."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import connection
from orjson import Fragment

from anomalies.api.listing import Column, Listing, Ordering, Position, Row
from anomalies.api.parameters import instant

USERS_SQL = (Path(__file__).parents[1] / "sql" / "users_page.sql").read_text()
USERS_AFTER = USERS_SQL.format(beyond=">", direction="ASC")
USERS_BEFORE = USERS_SQL.format(beyond="<", direction="DESC")
BEFORE_ALL = UUID(int=0)


@dataclass(frozen=True, kw_only=True)
class TransactionListing(Listing):
    """Transactions, whose meta_data goes through digit for digit."""

    def presented(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        # Written out, name by name: to pair names and values row by row takes a tenth of a page's time longer.
        return [
            {
                "id": id_,
                "user_id": user_id,
                "amount": amount,
                "currency": currency,
                "txn_date": txn_date,
                "status": status,
                "meta_data": Fragment(meta_data),
                "merchant_id": merchant_id,
                "received_at": received_at,
            }
            for id_, user_id, amount, currency, txn_date, status, meta_data, merchant_id, received_at in rows
        ]


TRANSACTIONS = TransactionListing(
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
