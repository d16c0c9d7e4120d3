"""From rows in PostgreSQL to recorded anomalies and open cases: rows a second, CPU seconds, memory.

    python -m benchmarks.end_to_end [--rows 1000000] [--users ROWS/200] [--days 60] [--workers CORES] [--json]

Makes a database of its own on the configured server, fills it with made payments by SQL (not measured), runs what
`manage.py score` runs, and drops the database. The run builds the references that are due, scores every row and
opens the cases. CPU seconds are those of our processes; PostgreSQL's are not in it, nor in the memory, which is
the highest sum of our processes' private memory that was seen in samples of a tenth of a second.
"""

import argparse
import json
import os
import resource
import threading
import time
from dataclasses import asdict
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "anomaly_server.settings")
django.setup()

from benchmarks import payments  # noqa: E402
from transactions import backlog  # noqa: E402
from transactions.management.commands.score import cores  # noqa: E402

SAMPLED_EVERY_S = 0.1


class Memory(threading.Thread):
    """Watches this process and its children until it is told to end."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak_bytes, self.ended = 0, threading.Event()

    def run(self) -> None:
        while not self.ended.wait(SAMPLED_EVERY_S):
            self.peak_bytes = max(self.peak_bytes, sum(map(private_bytes, [os.getpid(), *children()])))


def children() -> list[int]:
    tasks = Path(f"/proc/{os.getpid()}/task")
    return [int(child) for task in tasks.iterdir() for child in _read(task / "children").split()]


def private_bytes(pid: int) -> int:
    """What only this process holds, in bytes; 0 if it is gone."""
    rollup = _read(Path(f"/proc/{pid}/smaps_rollup"))
    return 1024 * sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_"))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def cpu_s() -> float:
    """Of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def measure(workers: int) -> dict[str, object]:
    """One run over everything that waits."""
    memory, cpu_before, began = Memory(), cpu_s(), time.perf_counter()
    memory.start()
    summary = backlog.score_pending(workers=workers)
    seconds = time.perf_counter() - began
    memory.ended.set()
    memory.join()
    rows = summary.scored + summary.unscored
    return {
        **asdict(summary),
        "seconds": seconds,
        "cpu_seconds": cpu_s() - cpu_before,
        "rows_per_second": rows / seconds,
        "peak_memory_mb": memory.peak_bytes / 2**20,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, help="default: one for each 200 rows")
    parser.add_argument("--days", type=int, default=60, help="that the payments spread over")
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.users = options.users or max(options.rows // 200, 1)
    with payments.own_database(f"end_to_end_{os.getpid()}"):
        payments.fill(rows=options.rows, users=options.users, days=options.days)
        found = measure(options.workers)
    if options.json:
        print(json.dumps({**vars(options), **found}))
        return
    print(
        "{scored:,} rows of {users:,} users scored in {seconds:.1f} s: {rows_per_second:,.0f} rows/s, "
        "{cpu_seconds:.1f} s of CPU, at most {peak_memory_mb:,.0f} MB, {references} references, "
        "{anomalies:,} anomalies, {cases:,} cases".format(**found)
    )


if __name__ == "__main__":
    main()
