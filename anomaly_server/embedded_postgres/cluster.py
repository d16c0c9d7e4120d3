"""The first start: a new cluster with its roles and its database."""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
from pathlib import Path

from anomaly_server.embedded_postgres import binaries, roles
from anomaly_server.embedded_postgres.configuration import write_private
from anomaly_server.embedded_postgres.errors import EmbeddedPostgresError
from anomaly_server.embedded_postgres.place import INSTEAD, Account, Place

# Sorting by code point, built into PostgreSQL: an operating system's new locale data cannot break an index.
LOCALE = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


def create(place: Place, *, durable: bool) -> None:
    """Make the cluster of `place`. Call it under the lock, while there is none.

    All happens in a folder beside it that takes the name `data` at the very end: a first start that is
    killed leaves nothing that looks like a cluster, and a cluster that is there has its roles.
    """
    fresh = place.home / f"data.new-{secrets.token_hex(4)}"
    fresh.mkdir(mode=0o700)
    place.account.own(fresh)
    passwords = roles.new_passwords()
    try:
        _fill(fresh, passwords, place.account, durable=durable)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    owner = place.home.stat()
    write_private(place.passwords_file, json.dumps(passwords, indent=1) + "\n", Account(owner.st_uid, owner.st_gid))
    fresh.rename(place.data)
    _sync_folder(place.home)


def _fill(fresh: Path, passwords: dict[str, str], account: Account, *, durable: bool) -> None:
    programs = binaries.folder_for(account)
    syncing = [] if durable else ["--no-sync"]
    # The method is replaced by our own pg_hba.conf before the server's first start.
    _run(
        [programs / "initdb", "-D", fresh, "-U", roles.SUPERUSER, *LOCALE, "--auth=reject", *syncing],
        fresh,
        account,
    )
    _run(
        [programs / "postgres", "--single", "-D", fresh, *_quiet(durable), "postgres"],
        fresh,
        account,
        statements=roles.bootstrap_sql(passwords),
    )
    (fresh / "log").mkdir(mode=0o700)
    account.own(fresh / "log")


def remove_leftovers(place: Place) -> None:
    """Remove what killed first starts left. Call it under the lock."""
    for folder in place.home.glob("data.new-*"):
        # A child of the killed one may still write into it; the next start tries again.
        shutil.rmtree(folder, ignore_errors=True)


def check_version(place: Place) -> None:
    """Refuse data of another major version: these programs cannot read it."""
    try:
        version = (place.data / "PG_VERSION").read_text().strip()
    except FileNotFoundError as error:
        raise EmbeddedPostgresError(
            f"{place.data} is no PostgreSQL data folder: move it away, or set EMBEDDED_POSTGRES_DIR to another folder."
        ) from error
    if version != str(binaries.MAJOR):
        raise EmbeddedPostgresError(
            f"{place.data} was made by PostgreSQL {version}, and this is PostgreSQL {binaries.MAJOR}: make a backup "
            "with the release of this server that made it, move the folder away, and restore the backup here."
        )


def _quiet(durable: bool) -> list[str]:
    # An error ends it, and the statement, which holds a password, stays out of the message.
    settings = ["exit_on_error=true", "log_min_error_statement=panic", "log_checkpoints=off"]
    settings += [] if durable else ["fsync=off"]
    return [part for setting in settings for part in ("-c", setting)]


def _run(command: list[str | Path], folder: Path, account: Account, *, statements: str = "") -> None:
    # A session of its own: Ctrl-C reaches only us, and we end the child in order.
    done = subprocess.run(
        command,
        input=statements,
        capture_output=True,
        text=True,
        errors="replace",
        cwd=folder,
        env=binaries.ENVIRONMENT,
        umask=0o077,
        start_new_session=True,
        check=False,
        **account.run_as(),
    )
    if done.returncode != 0:
        last = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise EmbeddedPostgresError(
            f"A new PostgreSQL cluster could not be made in {folder.parent}; {Path(command[0]).name} says:\n{last}\n"
            f"Mend that, {INSTEAD}"
        )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    # Some file systems cannot sync a folder; they keep renames in order by themselves.
    with contextlib.suppress(OSError):
        os.fsync(descriptor)
    os.close(descriptor)
