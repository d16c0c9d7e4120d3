"""A PostgreSQL for the tests that end servers; made once, because that takes longer than most of them."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from anomaly_server.embedded_postgres import server
from tests.anomaly_server.programs import manage
from tests.faults.serving import Site, served


@pytest.fixture(scope="session")
def postgres_home() -> Iterator[Path]:
    """The home of a running embedded PostgreSQL with the tables; durable, as in production."""
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    folder.chmod(0o711)
    home = folder / "home"
    try:
        migrated = manage("migrate", "--verbosity=0", EMBEDDED_POSTGRES_DIR=str(home))
        assert migrated.returncode == 0, migrated.stderr
        yield home
    finally:
        server.stop(home, patience_s=20)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def site(postgres_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server on it. Whatever a test ends, it begins anew."""
    with served(postgres_home, tmp_path_factory.mktemp("site") / "log") as running:
        yield running
