"""How gunicorn serves:  gunicorn -c anomaly_server/gunicorn.py anomaly_server.wsgi"""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from gunicorn.glogging import Logger

try:
    from anomaly_server import settings
except ImproperlyConfigured as error:
    sys.exit(f"error: {error}")


class EventsOnly(Logger):  # type: ignore[misc]
    """gunicorn's log without its access log: a proxy or a middleware says more about requests."""

    def _compute_access_log_enabled(self) -> bool:
        return False


bind = f"{settings.HOST}:{settings.PORT}"
workers = settings.WEB_CONCURRENCY
# Threads that answer whole requests, and one that gathers them: slow clients stop nobody.
worker_class = "anomaly_server.web_worker.WebWorker"
threads = settings.WEB_THREADS
# The workers share the memory of what is imported before they part, and a broken import ends the start at once.
preload_app = True
timeout = 60
# Longer than most clients pause between two requests; a connection that waits costs no thread.
keepalive = 15
graceful_timeout = 30
# The heartbeat file of each worker: on a disk, a slow write would look like a hung worker.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
# A thread in the process that forks, and a file under HOME, which need not exist.
control_socket_disable = True
logger_class = EventsOnly
logconfig_dict = settings.LOGGING

# What only requests are held to; read when the first of them needs a connection.
_database = settings.DATABASES["default"]
_database["OPTIONS"] = settings.request_options(_database["OPTIONS"])
# How long a thread keeps its connection to the database: one per thread, which is what the pool has room for.
_database["KEPT_S"] = 60


def share_metrics() -> None:
    """Make the folder through which the workers' counts come together; it goes when this process ends.

    Named before anything imports prometheus_client, which looks for it then.
    """
    folder = tempfile.mkdtemp(prefix="anomaly-server-metrics-", dir=worker_tmp_dir)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    made_by = os.getpid()

    def remove() -> None:
        if os.getpid() == made_by:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)


share_metrics()


def on_starting(server: Any) -> None:
    """Compile what a row's score takes, or read it from the disk, before the workers part, who then share it."""
    import scoring

    server.log.info("Preparing to score: ten to twenty seconds the first time, a second from then on.")
    scoring.get_ready()


def child_exit(_server: Any, worker: Any) -> None:
    """A dead worker's counts stay, its connections do not."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def pre_fork(_server: Any, _worker: Any) -> None:
    """Close what importing may have opened: two processes must not share a database connection."""
    import gc

    from django.db import connections

    for connection in connections.all(initialized_only=True):
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]
    # What was imported stays: no collection of garbage needs to look at it, or copies its memory by looking.
    gc.freeze()
    # A request makes some thousand objects, and hardly any of them needs the collector to go.
    gc.set_threshold(10_000, 20, 20)


def post_request(_worker: Any, _request: Any, _environ: Any, _answer: Any) -> None:
    """The answer has left: read anew what the next ones go by, so that nobody waits for it."""
    from django.db import close_old_connections

    from anomalies.renewed import renew_due

    if renew_due():
        # As after a request: the next one looks at the thread's connection before it counts on it.
        close_old_connections()
