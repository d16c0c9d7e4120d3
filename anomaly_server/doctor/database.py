"""The database's server: whether it answers, and how it is set."""

import time

from django.conf import settings

from anomaly_server.doctor.findings import Finding, error, ok, row, warning

OLDEST = 16
# Leases, expiry and the newest time that a payment may have go by the database's clock, signatures by the host's.
CLOCKS_WARN_S, CLOCKS_FAIL_S = 2.0, 60.0


def server() -> Finding:
    """Also that it answers at all: raises OperationalError if not."""
    number, text = row("SELECT current_setting('server_version_num')::int, current_setting('server_version')")
    return judge_server(number, text)


def judge_server(number: int, text: str) -> Finding:
    if number < OLDEST * 10_000:
        return error("server", f"PostgreSQL {text} is too old.", f"Upgrade it to {OLDEST} or newer.")
    return ok("server", f"PostgreSQL {text} answers.")


def encoding() -> Finding:
    found = row(
        "SELECT current_setting('server_encoding'), datcollversion, pg_database_collation_actual_version(oid)"
        " FROM pg_database WHERE datname = current_database()"
    )
    return judge_encoding(*found)


def judge_encoding(encoded: str, collation: str | None, actual: str | None) -> Finding:
    if encoded != "UTF8":
        return error(
            "encoding",
            f"The database is encoded as {encoded}, which lacks characters that payments have.",
            "Back it up, make one with ENCODING 'UTF8' TEMPLATE template0, and restore into that.",
        )
    if collation != actual:
        return warning(
            "encoding",
            f"The system's collation is {actual} now, and was {collation}: indexes of texts may be in a wrong order.",
            "As a superuser: REINDEX DATABASE, then ALTER DATABASE ... REFRESH COLLATION VERSION.",
        )
    return ok("encoding", "UTF8, and the collation is the one that it was made with.")


def time_zone() -> Finding:
    (zone,) = row("SHOW timezone")
    if not (zone == settings.TIME_ZONE == "UTC" and settings.USE_TZ):
        return error(
            "time zone",
            f"Sessions have the time zone {zone}: days would begin at other instants than the scores expect.",
            "Take the time zone out of the options of DATABASE_URL, and out of ALTER ROLE ... SET.",
        )
    return ok("time zone", "UTC, in the server and in its sessions.")


def clock() -> Finding:
    before = time.time()
    (there,) = row("SELECT extract(epoch FROM clock_timestamp())::float8")
    after = time.time()
    # The answer was given at some time in between.
    apart = max(before - there, there - after, 0.0)
    says = f"This machine's and the database's are {apart:.1f} s apart."
    if apart > CLOCKS_WARN_S:
        level = error if apart > CLOCKS_FAIL_S else warning
        return level("clock", says, "Let both machines keep their time by NTP: chrony, or systemd-timesyncd.")
    return ok("clock", says)


def time_limits() -> Finding:
    (limit,) = row("SHOW statement_timeout")
    if limit != "0":
        return warning(
            "time limits",
            f"Statements of commands and of the worker end after {limit}, half-way through long work.",
            "Take statement_timeout out of DATABASE_URL, and out of ALTER ROLE or ALTER DATABASE ... SET.",
        )
    return ok("time limits", f"{settings.WEB_STATEMENT_TIMEOUT_S} s for requests, none for commands and the worker.")


def durability() -> Finding:
    return judge_durability(
        *row(
            "SELECT current_setting('fsync'), current_setting('full_page_writes'),"
            " current_setting('synchronous_commit')"
        )
    )


def judge_durability(fsync: str, full_page_writes: str, synchronous_commit: str) -> Finding:
    off = [name for name, value in {"fsync": fsync, "full_page_writes": full_page_writes}.items() if value != "on"]
    if off:
        return error(
            "durability",
            f"{' and '.join(off)} off: a power cut can destroy the whole database.",
            "Turn them on in postgresql.conf, and reload.",
        )
    if synchronous_commit == "off":
        return warning(
            "durability",
            "synchronous_commit is off: a crash can lose payments that were acknowledged.",
            "Set it to on for the application's role.",
        )
    return ok("durability", "What is acknowledged survives a power cut.")


def connections() -> Finding:
    (free,) = row(
        "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
        " - current_setting('reserved_connections')::int"
    )
    # Of each process of the server, and of the worker.
    needed = (settings.WEB_CONCURRENCY + 1) * (settings.WEB_THREADS + 3)
    says = f"Server and worker need up to {needed} at a time, and PostgreSQL allows {free}."
    if needed > free:
        return warning("connections", says, "Raise max_connections, or lower WEB_CONCURRENCY or WEB_THREADS.")
    return ok("connections", says)
