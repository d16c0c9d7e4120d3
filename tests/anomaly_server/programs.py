"""Running the project's programs as people do: as processes, with an environment that says everything."""

import ast
import os
import subprocess
import sys
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
        command, cwd=cwd, env=environment(**more), capture_output=True, text=True, timeout=120, check=False
    )


def manage(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "manage.py", *arguments, **more)


def start(*command: str, cwd: Path = ROOT, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, cwd=cwd, env=environment(**more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


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
