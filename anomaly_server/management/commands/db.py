"""`manage.py db`: start, stop and look at the embedded PostgreSQL; psql, backup and restore on any database."""

import argparse
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn, cast

from django.conf import settings
from django.core.management import CommandError
from django.core.management.base import BaseCommand
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.backends.postgresql.base import DatabaseWrapper

from anomaly_server import backups, database_roles
from anomaly_server.embedded_postgres import base, server, tools
from anomaly_server.embedded_postgres.errors import EmbeddedPostgresError
from anomaly_server.embedded_postgres.place import existing

NOT_OURS = "DATABASE_URL is set: that PostgreSQL server is not ours to {}. Only the embedded one is, used without it."


class Command(BaseCommand):
    help = "Start, stop and look at the embedded PostgreSQL; psql, backup and restore, also with DATABASE_URL."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        actions.add_parser("start", help="Start the embedded PostgreSQL; every command does so by itself if need be.")
        actions.add_parser("stop", help="Stop it in order. Nothing else ever stops it.")
        actions.add_parser("status", help="Say where it is, and whether it runs (exit code 0) or not (1).")
        psql = actions.add_parser("psql", help="Open psql as the owner; give it arguments after --.")
        psql.add_argument("arguments", nargs="*", metavar="-- ARGUMENT", help="For example: -- -c 'SELECT 1'")
        writing = actions.add_parser("backup", help="Write the database into FILE (pg_dump's custom format).")
        writing.add_argument("file", type=Path)
        writing.add_argument("--force", action="store_true", help="Replace FILE if it exists.")
        reading = actions.add_parser("restore", help="Replace everything in the database by the backup in FILE.")
        reading.add_argument("file", type=Path)
        reading.add_argument("--yes", action="store_true", help="Do not ask.")

    def handle(self, *, action: str, **options: Any) -> None:
        before = signal.signal(signal.SIGTERM, _end)
        try:
            getattr(self, action)(**options)
        except (EmbeddedPostgresError, backups.BackupError, DatabaseError) as error:
            raise CommandError(str(error).strip()) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped; nothing was changed.", returncode=130) from None
        finally:
            signal.signal(signal.SIGTERM, before)

    def start(self, **_: Any) -> None:
        if settings.DATABASE_URL:
            raise CommandError(NOT_OURS.format("start"))
        found = base.running()
        self.stdout.write(f"PostgreSQL runs (process {found.pid}); its data is in {found.place.data}.")

    def stop(self, **_: Any) -> None:
        if settings.DATABASE_URL:
            raise CommandError(NOT_OURS.format("stop"))
        stopped = server.stop(base.folder())
        self.stdout.write("PostgreSQL is stopped." if stopped else "PostgreSQL was not running.")

    def status(self, **_: Any) -> None:
        if settings.DATABASE_URL:
            self._print(**_server_facts(), **_database_facts())
            return
        found = server.find(base.folder())
        place = found.place if found else existing(base.folder())
        self._print(
            state=f"running (process {found.pid})" if found else "not running",
            data=place.data if place else f"none yet; will be made for {base.folder()}",
            **{"runs as": place.account.name, "log": place.log_folder} if place else {},
            **{"socket": found.socket_folder, **_database_facts()} if found else {},
        )
        if not found:
            sys.exit(1)

    def psql(self, *, arguments: list[str], **_: Any) -> None:
        with database_roles.as_owner(_connection()):
            sys.exit(tools.psql(_connection(), arguments))

    def backup(self, *, file: Path, force: bool, **_: Any) -> None:
        with database_roles.as_owner(_connection()):
            size = backups.backup(_connection(), file, force=force)
        self.stdout.write(f"Wrote {file}, {size / 1e6:.1f} MB. It holds people's payments: keep it private.")

    def restore(self, *, file: Path, yes: bool, **_: Any) -> None:
        backups.check(file)
        if not yes:
            self._ask(file)
        with database_roles.as_owner(_connection()):
            backups.restore(_connection(), file)
        self.stdout.write(f"Restored {file}. If an older release made it, run `manage.py migrate` now.")

    def _ask(self, file: Path) -> None:
        if not sys.stdin.isatty():
            raise CommandError("Restoring replaces everything in the database: say --yes.", returncode=2)
        name = _connection().settings_dict["NAME"]
        self.stdout.write(
            f"This replaces everything in the database {name!r} by {file}. Type yes to go on: ", ending=""
        )
        self.stdout.flush()
        if input().strip().lower() != "yes":
            raise CommandError("Nothing was changed.")

    def _print(self, **facts: object) -> None:
        width = max(len(name) for name in facts) + 2
        for name, value in facts.items():
            self.stdout.write(f"{name + ':':<{width}}{value}")


def _connection() -> DatabaseWrapper:
    return cast(DatabaseWrapper, connections[DEFAULT_DB_ALIAS])


def _server_facts() -> dict[str, object]:
    login = _connection().settings_dict
    return {
        "state": "DATABASE_URL is set, the embedded PostgreSQL is not used",
        "server": f"{login['HOST'] or 'local socket'}:{login['PORT'] or 5432}",
    }


def _database_facts() -> dict[str, object]:
    with database_roles.as_owner(_connection()), _connection().cursor() as cursor:
        cursor.execute(
            """SELECT current_setting('server_version'), current_database(), current_user,
                      pg_size_pretty(pg_database_size(current_database())),
                      (SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database())"""
        )
        version, database, user, size, others = cursor.fetchone()
    return {
        "version": f"PostgreSQL {version}",
        "database": f"{database}, {size}",
        "owner": user,
        "connections": f"{others} beside this one",
    }


def _end(*_: object) -> NoReturn:
    """SIGTERM ends the command as Ctrl-C does: half-written files are removed, open transactions rolled back."""
    raise KeyboardInterrupt
