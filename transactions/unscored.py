"""The way of one transaction whose score waits: one round trip, after which the worker knows of it."""

from contextlib import nullcontext

from django.db import connection, transaction

from anomalies import pending
from anomalies.guard import Guard, Unsure
from transactions import store
from transactions.rows import Row
from transactions.store import Outcome
from transactions.taken import LATER, Taken


def store_unscored(row: Row, guard: Guard | None = None) -> Taken:
    """The row stored; its score waits. Nobody scores it now, so it need not wait for the user's other rows.

    Raises Unsure if it is not new, or the guard says no.
    """
    # One statement needs no transaction; within another's, its failure is undone alone.
    with transaction.atomic() if connection.in_atomic_block else nullcontext():
        stored = store.write_and_mark(row, guard)
    if stored is not None:
        return Taken(row, Outcome.CREATED, (), LATER, stored)
    if guard is not None:
        raise Unsure
    with transaction.atomic():
        (written,) = store.write([row])
        if written.outcome is Outcome.CREATED:  # The one that was there has just gone.
            pending.mark({row.user_id: row.txn_date})
    return Taken(row, written.outcome, written.fields, None if written.outcome is Outcome.CONFLICT else LATER)
