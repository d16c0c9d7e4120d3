"""The rows that wait to be scored, by user. Marks commit together with the rows they speak of."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import connection

from anomalies.prepared import array, run

# The text of two arrays, of users and of their instants, as PostgreSQL reads them.
Marks = tuple[str, str]
MARK = (
    "INSERT INTO pending_scores (user_id, since)"
    " SELECT * FROM unnest(%s::uuid[], %s::timestamptz[])"
    " ON CONFLICT (user_id) DO UPDATE SET since = excluded.since"
    " WHERE excluded.since < pending_scores.since"
)


def mark(since: Mapping[UUID, datetime]) -> None:
    """Each user's rows from the given instant on wait. Inside the caller's transaction; one statement."""
    put(marks({str(user): at.isoformat() for user, at in since.items()}))


def marks(since: Mapping[str, str]) -> Marks:
    """What `put` needs."""
    # Every writer goes in the order of the ids: two loads that share users cannot wait for each other.
    users = sorted(since)
    return array(users), array(since[user] for user in users)


def put(marks: Marks) -> None:
    """What `mark` does, for whoever has the time to make the marks before."""
    # Planned once: Django's cursor would write a thousand ids into the statement, to be read and planned anew.
    run(MARK, marks)


def claim(limit: int) -> list[tuple[UUID, datetime]]:
    """Take up to `limit` users off the list, sorted by id; a rollback puts them back.

    Inside the caller's transaction. Users whom another worker holds are passed over.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            # Materialized: PostgreSQL may run a subquery again for each row, and each time lock others.
            "WITH claimed AS MATERIALIZED ("
            " SELECT user_id FROM pending_scores ORDER BY user_id LIMIT %s FOR UPDATE SKIP LOCKED)"
            " DELETE FROM pending_scores USING claimed WHERE pending_scores.user_id = claimed.user_id"
            " RETURNING pending_scores.user_id, since",
            [limit],
        )
        return sorted(cursor.fetchall())
