"""Background work, run by `manage.py worker`."""

from procrastinate.contrib.django import app

from anomalies.api import idempotency


@app.periodic(cron="*/10 * * * *")
@app.task(queueing_lock="forget_answers", lock="forget_answers")
def forget_answers(timestamp: int) -> None:  # noqa: ARG001 (procrastinate tells the moment it was due)
    """Delete the answers kept for repeated requests that are more than a day old."""
    idempotency.forget()
