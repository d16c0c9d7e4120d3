"""Running the project's programs as people do: as processes, with an environment that says everything."""

import ast
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET_KEY = "signs-nothing-0123456789-abcdefghijklmnopqrstuvwxyz"
READERS = {"flag", "number", "choice", "words"}


def environment(**more: str) -> dict[str, str]:
    """Nothing of ours but the path: no .env, no database of whoever runs the tests."""
    return {"PATH": os.environ["PATH"], "ENV_FILE": os.devnull, "SECRET_KEY": SECRET_KEY, **more}


def run(*command: str, cwd: Path = ROOT, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env=environment(**more), capture_output=True, text=True, timeout=300, check=False
    )


def manage(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "manage.py", *arguments, **more)


@contextmanager
def started(*command: str, log: Path, cwd: Path = ROOT, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program at work, all it says in `log`; killed at the end if it still runs."""
    with log.open("ab") as output:
        program = subprocess.Popen(command, cwd=cwd, env=environment(**more), stdout=output, stderr=output)
    try:
        yield program
    finally:
        program.kill()
        program.wait()


@contextmanager
def kept_port() -> Iterator[int]:
    """A port of this machine that nobody else is given meanwhile: held here, but not listened on.

    A server may still take it, as servers allow others to hold a port that nobody listens on.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


def wait_until(holds: Callable[[], bool], *, patience_s: float = 180) -> None:
    """Ask again and again until it holds; fail if it never does."""
    ends = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < ends, f"did not happen within {patience_s} s"
        time.sleep(0.05)


def settings_read() -> dict[str, str]:
    """Every setting that the settings module reads from the environment, and the function that reads it."""
    tree = ast.parse((ROOT / "anomaly_server" / "settings.py").read_text())
    return dict(found for node in ast.walk(tree) if (found := setting_of(node)))


def setting_of(node: ast.AST) -> tuple[str, str] | None:
    if not isinstance(node, ast.Call) or not node.args:
        return None
    name: Any = getattr(node.args[0], "value", None)
    reader = ast.unparse(node.func)
    reads = reader in READERS or reader.startswith("env.") and reader != "env.read_env"
    return (name, reader) if reads and isinstance(name, str) else None
