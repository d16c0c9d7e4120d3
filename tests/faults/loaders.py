"""`load_data` in processes that can be killed at any moment, and files of which every row's fate is known."""

import csv
import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import psutil
import psycopg

ROOT = Path(__file__).resolve().parent.parent.parent
NAMESPACE = UUID("6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b")
COLUMNS = ("ORDER", "CUSTOMER", "TOTAL", "PAID_AT", "NOTE")
OPTIONS = (
    "--map=id=ORDER,user_id=CUSTOMER,amount=TOTAL,txn_date=PAID_AT",
    "--set=currency=EUR",
    "--set=status=completed",
    "--timezone=UTC",
    "--no-score",
    "--json",
)
# Reads commands, one a line, and runs each in a fork of its own, whose number it tells: loading Django is most of
# what a command costs. Chunks are small, so that a kill finds a file in the middle.
FORKS = """
import json, os, signal, sys, django
django.setup()
from django.core.management import execute_from_command_line, load_command_class
from transactions.loading import chunks
load_command_class("transactions", "load_data")
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    rows_at_once, out, err, *arguments = json.loads(line)
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for path, number in ((os.devnull, 0), (out, 1), (err, 2)):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
        sys.stdin = open(0)
        chunks.ROWS_AT_ONCE = rows_at_once
        execute_from_command_line(["manage.py", *arguments])
        sys.exit()
    print(pid, flush=True)
"""


class Forks:
    """Starts `manage.py` commands in the environment given to it."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder, self.started = folder, 0
        plain = {
            "PATH": os.environ["PATH"],
            "SECRET_KEY": "only-for-tests-" + "x" * 40,
            "ENV_FILE": os.devnull,
            "DJANGO_SETTINGS_MODULE": "anomaly_server.settings",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", FORKS],
            cwd=ROOT,
            env=plain | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def start(self, *arguments: object, rows_at_once: int = 500) -> "Fork":
        """Run a command; it goes on in a process of its own."""
        assert self.process.stdin
        assert self.process.stdout
        self.started += 1
        out, err = (self.folder / f"{self.started}.{name}" for name in ("out", "err"))
        command = [rows_at_once, str(out), str(err), *map(str, arguments)]
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return Fork(int(self.process.stdout.readline()), out, err)

    def close(self) -> None:
        self.process.communicate()


@dataclass(frozen=True)
class Fork:
    """One command in the making, or done."""

    pid: int
    out: Path
    err: Path

    def end(self, patience_s: float = 600) -> None:
        """Wait for its end."""
        try:
            psutil.Process(self.pid).wait(patience_s)
        except psutil.NoSuchProcess:
            return

    def ends_within(self, seconds: float) -> bool:
        try:
            psutil.Process(self.pid).wait(seconds)
        except psutil.TimeoutExpired:
            return False
        except psutil.NoSuchProcess:
            return True
        return True

    def kill(self) -> bool:
        """End it with SIGKILL; False if it had ended by itself."""
        try:
            psutil.Process(self.pid).kill()
        except psutil.NoSuchProcess:
            return False
        self.end()
        return True

    def told(self) -> dict[str, Any] | None:
        """The summary that it printed, if it came so far."""
        text = self.out.read_text()
        return json.loads(text) if text.startswith("{") else None


@dataclass
class Known:
    """A file, what the table holds once it is loaded, and what its reject file says, by line and code."""

    path: Path
    rows: dict[UUID, tuple[Any, ...]] = field(default_factory=dict)
    rejects: list[tuple[str, str, str]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def make(path: Path, rows: int, *, seed: int, users: int = 50) -> Known:
    """A file of so many rows, some bad, repeated or in conflict, some with a line end in a cell."""
    rng, known, line = random.Random(seed), Known(path), 2
    counts = dict.fromkeys(("accepted", "duplicate", "conflict", "rejected"), 0)
    written: list[list[str]] = []
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for number in range(rows):
            fate = rng.choices(("accepted", "duplicate", "conflict", "rejected"), (94, 2, 1, 3))[0]
            if fate in ("duplicate", "conflict") and written:
                cells = list(rng.choice(written[-2_000:]))
                if fate == "conflict":
                    cells[2] = "0.01"
            else:
                fate = "rejected" if fate == "rejected" else "accepted"
                cells = _cells(rng, uuid5(NAMESPACE, f"{seed}/{number}"), users, is_bad=fate == "rejected")
            if fate == "accepted":
                written.append(cells)
                known.rows[UUID(cells[0])] = _stored(cells)
            elif fate != "duplicate":
                code = "conflict" if fate == "conflict" else "not_a_number"
                known.rejects.append((str(line), code, cells[0]))
            counts[fate] += 1
            writer.writerow(cells)
            line += 2 if "\n" in cells[4] else 1
    known.counts = {"rows": rows, **counts}
    return known


def _cells(rng: random.Random, order: UUID, users: int, *, is_bad: bool) -> list[str]:
    user = uuid5(NAMESPACE, f"user {rng.randrange(users)}")
    cents, second = rng.randrange(1, 500_000), rng.randrange(200 * 86_400)
    paid_at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    amount = "a lot" if is_bad else f"{cents // 100}.{cents % 100:02d}"
    note = rng.choice(("plain", 'with, "quotes"', "of two\nlines", "grün 😀"))
    return [str(order), str(user), amount, f"{paid_at:%Y-%m-%d %H:%M:%S}", note]


def _stored(cells: list[str]) -> tuple[Any, ...]:
    _, user, amount, paid_at, note = cells
    return UUID(user), amount, "EUR", f"{paid_at}+00", "completed", {"NOTE": note}


def assert_loaded(database: str, known: Known, told: dict[str, Any]) -> None:
    """The table holds exactly what the file says, so do the counts and the reject file."""
    with psycopg.connect(database, options="-c timezone=UTC") as connection:
        table = connection.execute(
            "SELECT id, user_id, amount::text, currency, txn_date::text, status, meta_data FROM transactions"
        ).fetchall()
        waiting = {user for (user,) in connection.execute("SELECT user_id FROM pending_scores")}
    assert len(table) == len(known.rows)
    assert {row[0]: row[1:] for row in table} == known.rows
    assert waiting == {row[0] for row in known.rows.values()}
    assert {name: told[name] for name in known.counts} == known.counts
    with open(told["files"][0]["reject_file"], newline="") as file:
        rejects = [(row["reject_line"], row["reject_code"], row["ORDER"]) for row in csv.DictReader(file)]
    assert rejects == known.rejects
    assert told["files"][0]["finished"]


def forget(database: str) -> None:
    """Empty what a load fills."""
    with psycopg.connect(database) as connection:
        connection.execute("TRUNCATE transactions, pending_scores, loads")
