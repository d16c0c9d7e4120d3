"""Where the embedded PostgreSQL keeps its data, and under which account it runs.

PostgreSQL refuses to run as root. Root therefore runs it under an account of its own, and that account
often cannot enter the project's folder (a root home has mode 0700). Permissions of folders that are not
ours are never widened: the data then lies under STATE instead, and `db status` says so.
"""

import contextlib
import grp
import hashlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomaly_server.embedded_postgres.errors import EmbeddedPostgresError, say

ACCOUNT_NAME = "anomaly-postgres"
STATE = Path("/var/lib/anomaly-server")
ELSEWHERE = "the-data-are-elsewhere.txt"
INSTEAD = "or set EMBEDDED_POSTGRES_DIR to a folder of your own, or DATABASE_URL to a PostgreSQL server."


@dataclass(frozen=True, slots=True)
class Account:
    """The operating-system account that owns the data and runs the server."""

    uid: int
    gid: int

    @property
    def name(self) -> str:
        return name_of(self.uid)

    def run_as(self) -> dict[str, Any]:
        """Arguments for subprocess that give up root. Nothing to give up for an ordinary user."""
        if os.geteuid() != 0:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path | int) -> None:
        """Hand the file (a path or an open descriptor) that root just made to the account."""
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid)


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of one embedded server. `data` is PostgreSQL's own; what lies beside it is ours."""

    home: Path
    account: Account

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def lock_file(self) -> Path:
        return self.home / "lock"

    @property
    def claim_file(self) -> Path:
        return self.home / "in-use"

    @property
    def passwords_file(self) -> Path:
        return self.home / "passwords.json"

    @property
    def log_folder(self) -> Path:
        return self.data / "log"

    @property
    def has_data(self) -> bool:
        return self.data.exists()


def name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def existing(configured: Path) -> Place | None:
    """The place of the data made earlier for `configured`, or None. Creates nothing."""
    homes = (elsewhere(configured), configured) if os.geteuid() == 0 else (configured,)
    for home in homes:
        owner = _owner_of_data(home)
        if owner is not None:
            return Place(home, _account_of(owner, home))
    return None


def choose(configured: Path) -> Place:
    """The place for `configured`, its folder made if it is missing. Root's account is made as well."""
    place = existing(configured)
    if place is not None:
        return place
    if os.geteuid() != 0:
        place = Place(configured, Account(os.geteuid(), os.getegid()))
        place.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return place
    account = dedicated_account()
    home = configured if reachable(configured, account) else elsewhere(configured)
    _make_home_for(account, home)
    if home != configured:
        _leave_word(configured, home)
    return Place(home, account)


def elsewhere(configured: Path) -> Path:
    """Root's folder for data that the server's account could not reach at `configured`."""
    return STATE / hashlib.sha256(os.fsencode(configured)).hexdigest()[:16]


def reachable(path: Path, account: Account) -> bool:
    """May the account enter `path`, or, while that is missing, the nearest folder above it?

    Asked of the kernel by a process of the account: mode bits alone miss access lists and mounts.
    """
    folder = next(folder for folder in (path, *path.parents) if folder.exists())
    asked = subprocess.run(["test", "-x", folder], cwd="/", check=False, **account.run_as())
    return asked.returncode == 0


def dedicated_account() -> Account:
    """The unprivileged account that root runs the server under; made once.

    `nobody` will not do, because other services run as nobody and could read the data; a number without
    an entry in passwd will not do, because initdb looks its name up.
    """
    try:
        entry = pwd.getpwnam(ACCOUNT_NAME)
    except KeyError:
        _add_account()
        entry = pwd.getpwnam(ACCOUNT_NAME)
    return Account(entry.pw_uid, entry.pw_gid)


def _add_account() -> None:
    say(f"PostgreSQL does not run as root: adding the system account {ACCOUNT_NAME} for it.")
    arguments = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/bin/false"]
    command = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    done = command and subprocess.run(
        [command, *arguments, ACCOUNT_NAME], capture_output=True, text=True, cwd="/", check=False
    )
    try:
        # Two first starts may add it at once: what counts is that it is there now.
        pwd.getpwnam(ACCOUNT_NAME)
    except KeyError as error:
        why = done.stderr.strip() if done else "the program useradd is missing"
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root, and the account {ACCOUNT_NAME} for it could not be added ({why}): "
            f"add it yourself, run this as an ordinary user, {INSTEAD}"
        ) from error


def _owner_of_data(home: Path) -> int | None:
    try:
        return (home / "data").stat().st_uid
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise EmbeddedPostgresError(f"{_belongs_to(home)} Run this as that user, {INSTEAD}") from error


def _account_of(owner: int, home: Path) -> Account:
    if os.geteuid() not in (0, owner):
        raise EmbeddedPostgresError(f"{_belongs_to(home / 'data')} Run this as that user, {INSTEAD}")
    if owner == 0:
        raise EmbeddedPostgresError(
            f"{home / 'data'} belongs to root, as which PostgreSQL does not run: "
            f"give it back to its owner (chown -R {ACCOUNT_NAME}: {home / 'data'})."
        )
    try:
        return Account(owner, pwd.getpwuid(owner).pw_gid)
    except KeyError:
        return Account(owner, (home / "data").stat().st_gid)


def _belongs_to(path: Path) -> str:
    """Who owns `path`, or the folder above it at which the way there ends."""
    for folder in (path, *path.parents):
        try:
            owner = name_of(folder.stat().st_uid)
        except PermissionError:
            continue
        return f"The embedded PostgreSQL in {path} belongs to {owner}, and you are {name_of(os.geteuid())}."
    return f"You may not enter {path}."


def _make_home_for(account: Account, home: Path) -> None:
    """Make root's `home`: the account may pass through it, but change nothing beside its own data."""
    for folder in reversed(list(_missing(home))):
        # Folders above are made passable whatever the umask is: they are new, so nobody relied on them.
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        if folder == home:
            os.chown(home, 0, account.gid)
            folder.chmod(0o710)
    if not reachable(home, account):
        raise EmbeddedPostgresError(
            f"The account {account.name} ({_groups(account)}), which runs PostgreSQL for root, may not enter {home}: "
            f"open it (chmod o+x), {INSTEAD}"
        )


def _leave_word(configured: Path, home: Path) -> None:
    """Say, where people look for the data, where they are."""
    # Where even root may not write, `db status` still says it.
    with contextlib.suppress(OSError):
        configured.mkdir(parents=True, exist_ok=True)
        (configured / ELSEWHERE).write_text(
            f"The data are in {home}: the account {ACCOUNT_NAME}, which runs PostgreSQL for root, may not enter here.\n"
        )


def _missing(path: Path) -> Iterator[Path]:
    return (folder for folder in (path, *path.parents) if not folder.exists())


def _groups(account: Account) -> str:
    try:
        return f"group {grp.getgrgid(account.gid).gr_name}"
    except KeyError:
        return f"group {account.gid}"
