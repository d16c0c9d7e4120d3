"""Background work, run by `manage.py worker`. One job a batch, never one a transaction."""

from procrastinate.contrib.django import app

from transactions import backlog, norms


# The last field is seconds. A run that is still going keeps the next one from queueing behind it.
@app.periodic(cron="* * * * * */10")
@app.task(queueing_lock="score_pending", lock="score_pending")
def score_pending(timestamp: int) -> None:  # noqa: ARG001 (procrastinate tells the moment it was due)
    """Score what waits: late rows' users, loads with --no-score, and what failed in a live request."""
    backlog.score_pending()


@app.periodic(cron="5 * * * *")
@app.task(queueing_lock="build_references", lock="build_references")
def build_references(timestamp: int) -> None:  # noqa: ARG001 (as above)
    """Build the references that have become due: live scores go by them, even when nothing waits."""
    norms.build_due()
