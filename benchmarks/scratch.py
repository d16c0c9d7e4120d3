"""A transactions table of its own for a measurement, beside the one in use and gone afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from transactions.models import Transaction

# A heavy user, users of one to thousands of rows, and a year: the shape of a payment system, at any size.
HEAVY_USER = "00000000-0000-4000-8000-000000000001"
ROWS = """
    INSERT INTO transactions (id, user_id, amount, currency, txn_date, status, meta_data)
    SELECT
        -- Ordered like the UUIDv7 of clients that make their ids as they go.
        (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(noise, 1, 3)
            || '8' || substr(noise, 4, 15))::uuid,
        CASE WHEN n %% 10 = 0 THEN %(heavy)s
            -- The square makes few users frequent and many rare.
            ELSE ('10000000-0000-4000-8000-' || lpad(to_hex((20000 * random() ^ 2)::int), 12, '0')) END::uuid,
        (exp(random_normal(3, 1)))::numeric(20, 2),
        (ARRAY['EUR', 'EUR', 'EUR', 'USD', 'GBP', 'JPY'])[1 + n %% 6],
        at,
        (ARRAY['completed', 'completed', 'completed', 'failed'])[1 + n %% 4],
        jsonb_build_object('merchant_id', 'm' || n %% 500, 'country', 'DE')
    FROM (
        SELECT n, md5(n::text) AS noise,
            timestamptz '2025-01-01 00:00+00' + n * interval '365 days' / %(rows)s AS at
        FROM generate_series(1, %(rows)s) AS n
    ) AS made
"""


@contextmanager
def scratch_schema(name: str) -> Iterator[None]:
    """The table of the model, empty, in a schema of that name, which is first in the search path meanwhile.

    The session plans as on the embedded server, whatever the server: for disks without a moving head.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}; SET search_path = {name}, public")
        cursor.execute("SET random_page_cost = 1.1")
    try:
        with connection.schema_editor() as editor:
            editor.create_model(Transaction)
        yield
    finally:
        # Another cursor: the connection may have been lost and made again meanwhile.
        with connection.cursor() as cursor:
            cursor.execute(f"RESET search_path; RESET random_page_cost; DROP SCHEMA {name} CASCADE")


def fill(rows: int) -> None:
    """Make that many transactions, a tenth of them one user's, the others' spread over 20,000 users."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT setseed(0.5)")
        cursor.execute(ROWS, {"heavy": HEAVY_USER, "rows": rows})
        cursor.execute("ANALYZE transactions")
