"""What a request's id, its line in the log and its place in the metrics take, in microseconds of processor time.

    python -m benchmarks.request_cost [--requests 20000]

Metrics as with several processes of gunicorn; the log as JSON to a file.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--within", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.within:
        print(f"{cost(options.requests):.1f}")
        return
    for name, level in (("id and metrics", "WARNING"), ("id, metrics and the line", "INFO")):
        print(f"{name:>25}: {started(options.requests, level)} µs")


def started(requests: int, level: str) -> str:
    """The figure from a process of its own: what counts is chosen at the start of one."""
    command = [sys.executable, "-m", "benchmarks.request_cost", "--within", f"--requests={requests}"]
    with TemporaryDirectory() as folder, TemporaryFile() as log:
        chosen = {"LOG_LEVEL": level, "LOG_FORMAT": "json", "PROMETHEUS_MULTIPROC_DIR": folder}
        return subprocess.run(
            command, env={**os.environ, **chosen}, stdout=subprocess.PIPE, stderr=log, text=True, check=True
        ).stdout.strip()


def cost(requests: int) -> float:
    """The difference that the middleware makes to a view that does nothing; the best of some rounds."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "anomaly_server.settings")
    django.setup()
    from django.http import HttpResponse
    from django.test import RequestFactory
    from django.urls import resolve

    from anomaly_server.request_log import RequestLog

    request = RequestFactory().get("/api/v1/transactions/")
    request.resolver_match = resolve(request.path)

    def view(_request: Any) -> HttpResponse:
        return HttpResponse()

    return best(RequestLog(view), request, requests) - best(view, request, requests)


def best(answer: Callable[[Any], Any], request: Any, times: int) -> float:
    """Microseconds a call."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(times):
            answer(request)
        rounds.append((time.process_time() - began) / times * 1e6)
    return min(rounds)


if __name__ == "__main__":
    main()
