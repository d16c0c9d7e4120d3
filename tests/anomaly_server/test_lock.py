"""The locked requirements are what requirements*.in asks for, without asking any network."""

import re
import subprocess
import sys

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.anomaly_server.programs import ROOT

NAMES = ("requirements", "requirements-parquet", "requirements-dev", "requirements-bench")
Pins = dict[str, set[str]]


def pins(name: str) -> Pins:
    """Every package of a lock, and its versions: one for each range of Pythons."""
    found: Pins = {}
    for package, version in re.findall(r"^([\w.-]+)==(\S+)", (ROOT / f"{name}.txt").read_text(), re.MULTILINE):
        found.setdefault(canonicalize_name(package), set()).add(version)
    return found


def asked(name: str) -> list[Requirement]:
    lines = [line.strip() for line in (ROOT / f"{name}.in").read_text().splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


@pytest.mark.parametrize("name", NAMES)
def test_the_lock_answers_what_is_asked(name: str) -> None:
    locked = pins(name)
    for requirement in asked(name):
        versions = locked.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement} is not locked: run `make lock`"
        assert all(Version(version) in requirement.specifier for version in versions), f"{requirement}: run `make lock`"


@pytest.mark.parametrize("name", NAMES[1:])
def test_all_locks_agree_with_that_of_the_server(name: str) -> None:
    ours, theirs = pins("requirements"), pins(name)
    assert {package: theirs.get(package) for package in ours} == ours


@pytest.mark.parametrize("name", NAMES)
def test_every_version_has_hashes(name: str) -> None:
    text = (ROOT / f"{name}.txt").read_text()
    packages = re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]
    assert packages
    assert all("--hash=sha256:" in package for package in packages)


def test_the_locks_leave_out_nothing_that_a_package_needs() -> None:
    # venv.sh installs what they name and asks for nothing else.
    checked = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
