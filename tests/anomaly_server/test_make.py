"""What `make` does on machines that lack something, and that it does nothing twice."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.anomaly_server.programs import ROOT

WITHOUT_VENV = """#!/bin/sh
# As on a bare Debian: ensurepip is in a package of its own.
case "$*" in *ensurepip*) echo "ModuleNotFoundError: No module named 'ensurepip'" >&2; exit 1;; esac
exec "{python}" "$@"
"""
TOO_OLD = "#!/bin/sh\nexit 1\n"
# Makes a .venv in no time, with what stands beside it as `python`.
QUICK = """#!/bin/sh
case "$*" in "-m venv .venv") mkdir -p .venv/bin && rm -f .venv/bin/python && cp "$0.venv" .venv/bin/python; exit;; esac
exec "{python}" "$@"
"""
FAKE_PIP = """#!/bin/sh
# Stands where .venv/bin/python does; writes down every call of pip.
case "$*" in *"pip install"*) echo "$*" >>"{calls}"; exit {exit_code};; esac
exec "{python}" "$@"
"""


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clone with a blank in its path, as far as `make` needs one, and a PATH with a shell and nothing else."""
    clone = tmp_path / "a clone"
    clone.mkdir()
    for name in ("Makefile", "venv.sh", "requirements.txt"):
        shutil.copy(ROOT / name, clone)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "make", "cat", "dirname", "rm", "mv", "mkdir", "cp", "echo"):
        (programs / name).symlink_to(shutil.which(name) or name)
    return clone


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": str(folder.parent / "bin")}
    return subprocess.run(["make", *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False)


def install_python(folder: Path, *, pip_ends_with: int = 0) -> Path:
    """A ready .venv in which pip only writes down that it was called. Returns that record."""
    calls = folder.parent / "calls"
    text = FAKE_PIP.format(calls=calls, python=sys.executable, exit_code=pip_ends_with)
    executable(folder / ".venv" / "bin" / "python", text)
    return calls


def quick_python(path: Path) -> None:
    """A Python that is complete and makes a .venv like the one above."""
    executable(path, QUICK.format(python=sys.executable))
    executable(
        path.with_name(path.name + ".venv"), FAKE_PIP.format(calls="/dev/null", python=sys.executable, exit_code=0)
    )


def test_without_any_python_it_says_which_are_good(folder: Path) -> None:
    ended = make(folder, "runtime")
    assert ended.returncode == 2
    assert "Python 3.11 or newer is needed" in ended.stderr
    assert "apt install python3 python3-venv" in ended.stderr


def test_an_old_python_is_none(folder: Path) -> None:
    executable(folder.parent / "bin" / "python3", TOO_OLD)
    assert "Python 3.11 or newer is needed" in make(folder, "runtime").stderr


def test_without_venv_it_names_the_package(folder: Path) -> None:
    executable(folder.parent / "bin" / "python3", WITHOUT_VENV.format(python=sys.executable))
    ended = make(folder, "runtime")
    assert ended.returncode == 2
    version = "{}.{}".format(*sys.version_info)
    assert f"apt install python{version}-venv" in ended.stderr
    assert not (folder / ".venv").exists()


def test_a_complete_python_is_preferred_to_one_without_venv(folder: Path) -> None:
    executable(folder.parent / "bin" / "python3", WITHOUT_VENV.format(python=sys.executable))
    quick_python(folder.parent / "bin" / "python3.11")
    ended = make(folder, "runtime")
    assert ended.returncode == 0, ended.stderr
    assert (folder / ".venv" / "bin" / "python").exists()


def test_your_own_python_may_be_named(folder: Path) -> None:
    named = folder.parent / "my python"
    quick_python(named)
    ended = make(folder, "runtime", f"PYTHON={named}")
    assert ended.returncode == 0, ended.stderr


def test_pip_runs_only_when_the_requirements_changed(folder: Path) -> None:
    calls = install_python(folder)
    for _ in range(2):
        assert make(folder, "runtime").returncode == 0
    assert calls.read_text().count("--require-hashes") == 1
    with (folder / "requirements.txt").open("a") as file:
        file.write("# another one\n")
    assert make(folder, "runtime").returncode == 0
    assert calls.read_text().count("--require-hashes") == 2


def test_a_failed_installation_is_tried_again(folder: Path) -> None:
    calls = install_python(folder, pip_ends_with=1)
    for _ in range(2):
        ended = make(folder, "runtime")
        assert ended.returncode == 2
        assert "could not be installed" in ended.stderr
    assert calls.read_text().count("pip install") == 2


def test_a_venv_without_its_python_is_made_again(folder: Path) -> None:
    quick_python(folder.parent / "bin" / "python3")
    broken = folder / ".venv" / "bin" / "python"
    broken.parent.mkdir(parents=True)
    broken.symlink_to("/taken/away/by/an/upgrade")
    assert make(folder, "runtime").returncode == 0
    assert broken.resolve().exists()


def test_the_venv_of_another_user_is_left_alone(folder: Path) -> None:
    """Seen from a user who may not run its Python, it looks broken; it is not his to remove."""
    quick_python(folder.parent / "bin" / "python3")
    if os.geteuid() == 0:
        (folder / ".venv").mkdir()
        os.chown(folder / ".venv", 65534, 65534)
    else:
        (folder / ".venv").symlink_to("/etc")
    ended = make(folder, "runtime")
    assert ended.returncode == 2
    assert "belongs to another user" in ended.stderr
    assert (folder / ".venv").exists()


def test_the_secret_is_made_once_and_for_its_owner_only(folder: Path) -> None:
    install_python(folder)
    assert make(folder, ".env").returncode == 0
    made = (folder / ".env").read_text()
    assert re.search(r"^SECRET_KEY=[\w-]{60}$", made, re.MULTILINE)
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    assert make(folder, ".env").returncode == 0
    assert (folder / ".env").read_text() == made


TESTING = """#!/bin/sh
# Stands where .venv/bin/python does; tells how the tests end, and writes down what else is run.
case "$*" in *"-m pytest"*) {tests} ;; esac
echo "$EMBEDDED_POSTGRES_DIR $*" >>"{calls}"
"""


@pytest.mark.parametrize(("tests", "code"), [("exit 0", 0), ("exit 1", 2), ("kill -INT $PPID; exit 2", 2)])
def test_the_postgresql_of_the_tests_is_stopped_however_they_end(folder: Path, tests: str, code: int) -> None:
    calls = folder.parent / "calls"
    executable(folder / ".venv" / "bin" / "python", TESTING.format(tests=tests, calls=calls))
    (folder / "var" / "postgres-test").mkdir(parents=True)
    assert make(folder, "--old-file=check", "test").returncode == code
    assert calls.read_text().splitlines() == [
        " -m anomaly_server.compiled",
        f"{folder}/var/postgres-test manage.py db stop",
    ]


def test_every_target_is_explained_and_real() -> None:
    text = (ROOT / "Makefile").read_text()
    explained = set(re.findall(r"echo 'make (\w+) ", text))
    targets = set(re.findall(r"^(\w+):", text, re.MULTILINE))
    assert explained == targets - {"help", "runtime", "dev"}
    phony = set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split())  # type: ignore[index]
    assert targets == phony


def test_help_is_what_make_says_by_itself(folder: Path) -> None:
    assert make(folder).stdout == make(folder, "help").stdout
    assert "make run" in make(folder).stdout


def test_ci_runs_make_test_and_can_be_executed() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = script.read_text().splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in lines
    assert lines[-1] == "make test"
