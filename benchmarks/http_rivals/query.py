"""The primary query as the rivals ask it."""

import os
from typing import Any

from psycopg.conninfo import conninfo_to_dict

COLUMNS = (
    "id",
    "user_id",
    "amount",
    "currency",
    "txn_date",
    "status",
    "meta_data",
    "merchant_id",
    "received_at",
)
FILTERS = """
    WHERE user_id = %(user_id)s AND txn_date >= %(from_date)s AND txn_date <= %(to_date)s
      AND amount >= %(min_amount)s AND amount <= %(max_amount)s
    ORDER BY txn_date DESC, id LIMIT 100
"""


def login() -> dict[str, Any]:
    """The database that DATABASE_URL names, in psycopg's words."""
    return conninfo_to_dict(os.environ["DATABASE_URL"])
