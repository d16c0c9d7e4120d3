"""The background work: whether somebody does it, and what waits."""

from anomaly_server.doctor.findings import Finding, error, lasted, ok, row, warning
from anomaly_server.metrics import ASKED

# A worker tells every 10 s that it is alive.
SILENT_S = 60.0
WAITS_S = 600.0
# A reference is built at the latest for every week that has passed.
REFERENCE_S = 10 * 86_400.0
START = "Run `manage.py worker`; `make run` does so by itself."
JOBS = """
    SELECT extract(epoch FROM now() - min(event.at) FILTER (WHERE job.status = 'todo'))::float8,
        count(*) FILTER (WHERE job.status = 'failed')
    FROM procrastinate_jobs AS job
    LEFT JOIN procrastinate_events AS event ON event.job_id = job.id AND event.type = 'deferred'
    WHERE job.status IN ('todo', 'failed') AND (job.scheduled_at IS NULL OR job.scheduled_at <= now())
"""


def worker() -> Finding:
    (silent_s,) = row("SELECT extract(epoch FROM now() - max(last_heartbeat))::float8 FROM procrastinate_workers")
    if silent_s is None:
        return error("worker", "No worker runs: nothing is rescored, no webhook is sent.", START)
    if silent_s > SILENT_S:
        return error("worker", f"No worker has been heard of for {lasted(silent_s)}.", START)
    return ok("worker", f"Alive {lasted(max(silent_s, 0.0))} ago.")


def jobs() -> Finding:
    oldest_s, failed = row(JOBS)
    if failed:
        return warning("jobs", f"Failed: {failed}.", "Look at them in the admin under Jobs, and in the worker's log.")
    if (oldest_s or 0.0) > WAITS_S:
        return warning("jobs", f"The oldest has waited for {lasted(oldest_s)}.", START)
    return ok("jobs", f"The oldest has waited for {lasted(oldest_s)}." if oldest_s else "None waits.")


def backlog() -> Finding:
    """Of users: when their rows came is not written down, but the job that scores them waits as long (see `jobs`)."""
    (users,) = row(ASKED["pending_users"][1])
    (is_queued,) = row("SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE status IN ('todo', 'doing'))")
    if users and not is_queued:
        return warning("backlog", f"Payments of {users:,} users wait, and no job is queued.", "Run `manage.py score`.")
    return ok("backlog", f"Payments of {users:,} users wait to be scored." if users else "Every payment is scored.")


def reference() -> Finding:
    (behind_s,) = row(
        "SELECT extract(epoch FROM (SELECT max(txn_date) FROM transactions) - max(until))::float8"
        " FROM scoring_references"
    )
    (has_rows,) = row("SELECT EXISTS (SELECT FROM transactions)")
    if behind_s is None and has_rows:
        return warning(
            "reference",
            "There is none: payments get no scores.",
            "Run `manage.py reference build`; it needs some weeks of payments.",
        )
    if behind_s is None:
        return ok("reference", "None, and no payments.")
    says = f"The newest ends {lasted(max(behind_s, 0.0))} before the newest payment."
    if behind_s > REFERENCE_S:
        return warning("reference", says, "Run `manage.py reference build`.")
    return ok("reference", says)


def webhooks() -> Finding:
    (lag_s,) = row(ASKED["webhook_lag_seconds"][1])
    (waiting,) = row(ASKED["webhook_deliveries_waiting"][1])
    says = f"Deliveries waiting: {waiting:,}; the oldest event has waited for {lasted(lag_s or 0.0)}."
    if (lag_s or 0.0) > WAITS_S:
        return warning("webhooks", says, "Look at the endpoints in the admin under Webhooks: who answers with what.")
    return ok("webhooks", says)
