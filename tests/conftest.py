"""What tests of several folders share."""

import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def python_bin() -> Path:
    """The folder of this Python's programs: gunicorn and the others."""
    return Path(sys.executable).parent
