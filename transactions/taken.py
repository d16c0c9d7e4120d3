"""What became of a transaction, and why one has no score yet: the answers of the way in."""

from typing import Any, NamedTuple

from anomalies.findings import Scored, Unscored
from transactions.rows import Row
from transactions.store import Outcome

FAILED = Unscored("failed", "Scoring did not succeed. The transaction is stored and will be scored in the background.")
TIMED_OUT = Unscored(
    "timed_out", "Scoring took too long. The transaction is stored and will be scored in the background."
)
LATER = Unscored("pending", "The transaction is stored and will be scored in the background.")


class Taken(NamedTuple):
    """What became of one row; `fields` differ from the stored transaction where the outcome is a conflict."""

    row: Row
    outcome: Outcome
    fields: tuple[str, ...]
    scored: Scored | Unscored | None
    # The row's columns where they are known already, as the API's list of transactions names them.
    stored: tuple[Any, ...] | None = None
