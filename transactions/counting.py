"""What became of the transactions that were received, counted for the metrics by every door of the server.

Counted when the answer is known, and so not where the answer is that the server could not: received is always accepted
+ duplicate + conflict + rejected.
"""

from prometheus_client import Counter, Histogram

RECEIVED = Counter("transactions_received", "Transactions that were received and answered.")
OUTCOMES = Counter("transactions_outcomes", "What became of them.", ["outcome"])
SCORING = Histogram(
    "scoring_duration_seconds",
    "From storing a transaction, its wait for others of its user included, to its score, before it was answered.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
NAMES = {"created": "accepted", "duplicate": "duplicate", "conflict": "conflict", "rejected": "rejected"}
# From the start, so that none of them is missing while it is zero.
_COUNTERS = {outcome: OUTCOMES.labels(name) for outcome, name in NAMES.items()}


def count(outcome: str, rows: int = 1) -> None:
    """Count answered rows; `outcome` is a `store.Outcome`, or "rejected"."""
    RECEIVED.inc(rows)
    _COUNTERS[outcome].inc(rows)
