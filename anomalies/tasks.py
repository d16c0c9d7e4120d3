"""Background work, run by `manage.py worker`."""

from procrastinate.contrib.django import app

from anomalies.api import idempotency
from anomalies.webhooks import deliveries


@app.periodic(cron="*/10 * * * *")
@app.task(queueing_lock="forget_answers", lock="forget_answers")
def forget_answers(timestamp: int) -> None:  # noqa: ARG001 (procrastinate tells the moment it was due)
    """Delete the answers kept for repeated requests that are more than a day old."""
    idempotency.forget()


@app.periodic(cron="20 * * * *")
@app.task(queueing_lock="prune_outbox", lock="prune_outbox")
def prune_outbox(timestamp: int) -> None:  # noqa: ARG001 (as above)
    """Delete old events and the log of their deliveries."""
    deliveries.prune()
