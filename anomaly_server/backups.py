"""Back the database up into a file, and restore it from one."""

import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO, NoReturn

from django.db.backends.postgresql.base import DatabaseWrapper

from anomaly_server.database_roles import SQL, grants
from anomaly_server.embedded_postgres import binaries, tools


class BackupError(Exception):
    """The backup or restore did not happen. The message is a sentence that says why."""


def backup(connection: DatabaseWrapper, target: Path, *, force: bool = False) -> int:
    """Write the whole database into `target` (mode 0600), and return its size in bytes.

    The file takes its name only when it is complete, so a killed backup leaves nothing that looks like one.
    """
    if target.exists() and not target.is_file():
        # Taking its place would end a device such as /dev/null for everybody.
        raise BackupError(f"{target} is no ordinary file: give the name of one.")
    if target.exists() and not force:
        raise BackupError(f"{target} exists: give another name, or --force to replace it.")
    half = target.with_name(f"{target.name}.{secrets.token_hex(4)}.unfinished")
    try:
        # Made here, so that it is private from its first byte on.
        os.close(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        # Copies of rows that are in the backup themselves.
        copies = "--exclude-table-data=packed_rows"
        _run(connection, "pg_dump", "--no-password", "--format=custom", copies, f"--file={half}")
        with half.open("rb+") as file:
            os.fsync(file.fileno())
        half.replace(target)
    except OSError as error:
        raise BackupError(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        half.unlink(missing_ok=True)
    return target.stat().st_size


def check(source: Path) -> None:
    """Refuse a file that is no backup of this server, before anything is touched."""
    try:
        source.open("rb").close()
    except OSError as error:
        raise BackupError(f"{source} cannot be read: {error.strerror}.") from error
    try:
        contents = _output("pg_restore", "--list", str(source))
    except BackupError as error:
        raise BackupError(f"{source} is not a backup made by `db backup`: {error}") from error
    if " TABLE DATA public transactions " not in contents:
        raise BackupError(f"{source} is a backup of another database: it holds no table of transactions.")


def restore(connection: DatabaseWrapper, source: Path) -> None:
    """Replace everything in the database by what the backup holds. As the owner, after check().

    One database transaction: it commits when the whole backup is in, with the application's rights, and else
    everything stays as it was.
    """
    leap = (SQL / "restored.sql").read_text()
    last_words = f"RESET search_path;\n{leap}\n{grants(connection)}\nCOMMIT;\nANALYZE;\n".encode()
    with tempfile.TemporaryFile() as complaints:
        reader = _start(None, complaints, "pg_restore", "--no-owner", "--no-privileges", "--file=-", str(source))
        writer = _start(
            connection, complaints, "psql", "--no-password", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"
        )
        try:
            done = _pour(reader, writer, last_words)
        finally:
            # Without COMMIT psql changes nothing.
            for process in (reader, writer):
                process.kill()
                process.communicate()
        if not done:
            complaints.seek(0)
            _fail(complaints.read().decode(errors="replace"))


def _pour(reader: "Process", writer: "Process", last_words: bytes) -> bool:
    """Send the backup to psql as one transaction, COMMIT only when the backup was read to its end.

    (psql --single-transaction would commit at the end of its input, even where we were killed halfway.)
    """
    source, target = reader.stdout, writer.stdin
    if source is None or target is None:
        return False
    try:
        target.write(b"BEGIN;\n" + (SQL / "clear.sql").read_bytes())
        shutil.copyfileobj(source, target, 2**20)
        if reader.wait() != 0:
            return False
        target.write(last_words)
        target.close()
    except BrokenPipeError:
        # psql met an error and ended; it has said why.
        return False
    return writer.wait() == 0


def _start(connection: DatabaseWrapper | None, complaints: IO[bytes], name: str, *arguments: str) -> "Process":
    return subprocess.Popen(
        [binaries.program(name), *arguments],
        stdin=subprocess.PIPE if connection else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if connection else subprocess.PIPE,
        stderr=complaints,
        env=tools.environment(connection) if connection else None,
    )


def _run(connection: DatabaseWrapper, name: str, *arguments: str) -> None:
    _output(name, *arguments, env=tools.environment(connection))


def _output(name: str, *arguments: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [binaries.program(name), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env=env,
        check=False,
    )
    if done.returncode != 0:
        _fail(done.stderr)
    return done.stdout


def _fail(complaints: str) -> NoReturn:
    last = [line for line in complaints.splitlines() if line.strip()][-3:]
    raise BackupError("\n".join(last) or "the program ended without a word.")


Process = subprocess.Popen[bytes]
