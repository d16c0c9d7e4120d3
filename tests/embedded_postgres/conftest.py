"""Clusters of their own for these tests, always stopped by the test that made them."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from anomaly_server.embedded_postgres import processes, server
from tests.embedded_postgres import children


@pytest.fixture(scope="session")
def ground() -> Iterator[Path]:
    """A folder that every account may pass through, unlike pytest's own, with a short name."""
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def template(ground: Path) -> Path:
    """A cluster after its first start, stopped. Copying it costs a tenth of making one."""
    home = ground / "template"
    server.running(home, durable=False)
    server.stop(home)
    # What `manage.py` starts is durable, which costs seconds where the disk is slow.
    settings = home / "data" / "local.conf"
    settings.write_text("fsync = off\nshared_buffers = 32MB\n")
    settings.chmod(0o644)
    return home


@pytest.fixture
def empty(ground: Path) -> Iterator[Path]:
    """A folder that may become a cluster's home. Whatever the test starts there is stopped."""
    home = Path(tempfile.mkdtemp(dir=ground)) / "home"
    home.parent.chmod(0o711)
    yield home
    end(home)


@pytest.fixture
def home(template: Path, empty: Path) -> Path:
    """The home of a cluster that was stopped in order."""
    return copy(template, empty)


@pytest.fixture(scope="session")
def manage() -> Iterator[children.Managers]:
    managers = children.Managers()
    yield managers
    managers.close()


@pytest.fixture(scope="session")
def installed(template: Path, ground: Path, manage: children.Managers) -> Iterator[Path]:
    """The home of a running cluster with the tables of `migrate`, for tests that leave it as it was."""
    home = copy(template, ground / "installed")
    done = manage(home, "migrate", "--verbosity=0")
    assert done.returncode == 0, done.stderr
    yield home
    end(home)


def copy(template: Path, home: Path) -> Path:
    subprocess.run(["cp", "-a", template, home], check=True)
    return home


def end(home: Path) -> None:
    with contextlib.suppress(Exception):
        server.stop(home, patience_s=20)
    processes.end_leftovers(home / "data")
    shutil.rmtree(home, ignore_errors=True)
