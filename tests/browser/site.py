"""A real site for a real browser: a database of its own, gunicorn on a free port of this machine, and Chromium."""

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.anomaly_server.programs import kept_port

ROOT = Path(__file__).resolve().parent.parent.parent
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_S = 180.0
END_S = 20.0


def chromium() -> str | None:
    """Where Chromium is, or None."""
    return next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)


def environment(database: str) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.browser.settings",
        "BROWSER_DATABASE": database,
        "LOG_LEVEL": "WARNING",
    }


def run(database: str, *arguments: str) -> None:
    """Run Python with the site's settings; what it said is shown if it fails."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(database),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


@contextmanager
def database(name: str) -> Iterator[str]:
    """A fresh, migrated database that goes again at the end."""
    run(name, "-m", "tests.browser.databases", "create", name)
    try:
        run(name, "manage.py", "migrate", "--verbosity=0")
        yield name
    finally:
        run(name, "-m", "tests.browser.databases", "drop", name)


@contextmanager
def served(database: str, application: str = "anomaly_server.wsgi") -> Iterator[str]:
    """The site's address while gunicorn serves it."""
    with kept_port() as port, _serving(database, application, port) as address:
        yield address


@contextmanager
def _serving(database: str, application: str, port: int) -> Iterator[str]:
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "gunicorn", "-c", "anomaly_server/gunicorn.py", application]
    variables = {**environment(database), "PORT": str(port), "WEB_CONCURRENCY": "1"}
    server = subprocess.Popen(command, cwd=ROOT, env=variables)
    try:
        wait_for(f"{address}/admin/login/", server)
        yield address
    finally:
        server.terminate()
        try:
            server.wait(END_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"gunicorn ended with {server.returncode} before it answered.")
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise RuntimeError(f"gunicorn did not answer within {START_S:.0f} s.")
