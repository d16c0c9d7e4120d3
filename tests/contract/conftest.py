"""A real server with one of everything, for whoever speaks to it as strangers do: over HTTP."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from anomaly_client import Client

from tests.browser import site


class Served(NamedTuple):
    """Where the server answers, a key that may do everything, and the ids of what is stored."""

    address: str
    key: str
    ids: dict[str, str]


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    with site.database(f"contract_{os.getpid()}") as name:
        command = [sys.executable, "-m", "tests.contract.seed"]
        said = subprocess.run(command, cwd=site.ROOT, env=site.environment(name), capture_output=True, check=True)
        ids: dict[str, str] = json.loads(said.stdout)
        key = ids.pop("key")
        with site.served(name) as address:
            yield Served(address, key, ids)


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with Client(served.address, served.key) as client:
        yield client
