"""What is wrong with a setting is said in one sentence, by every program, and stops the start."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from tests.anomaly_server.programs import ROOT, SECRET_KEY, environment, manage, run, settings_read

CHECKED = {name for name, reader in settings_read().items() if reader in ("flag", "number", "choice")}
WRONG = {
    "SECRET_KEY": ["", "short"],
    "SECRET_KEY_FALLBACKS": ["short", "x" * 45 + ",short"],
    "PORT": ["abc", "65536", "-1", "\u0668\u0660"],
    "DEBUG": ["maybe"],
    "LOG_LEVEL": ["LOUD"],
    "DATABASE_URL": [
        "nonsense",
        "mysql://user:secret-word@host/name",
        "postgresql://user:secret-word@host:port/name",
        "postgresql://user:secret-word@host/",
    ],
    "DATABASE_OWNER_URL": ["nonsense"],
    "ENV_FILE": ["/there/is/no/such/file"],
}
CASES = [(name, value) for name, values in WRONG.items() for value in values]
CASES += [(name, "\u2603") for name in sorted(CHECKED - WRONG.keys())]
SHOW = """
import json, sys, anomaly_server.settings as s
print(json.dumps({name: getattr(s, name, None) for name in sys.argv[1:]}, default=str))
"""


@pytest.mark.parametrize(("name", "value"), CASES)
def test_a_wrong_value_is_told_in_one_sentence(name: str, value: str) -> None:
    ended = manage("check", **{name: value})
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    assert name in ended.stderr or name == "ENV_FILE"
    assert "secret-word" not in ended.stderr


@pytest.mark.parametrize("name", ["SECRET_KEY", "PORT"])
def test_gunicorn_tells_it_in_the_same_sentence(name: str, python_bin: Path) -> None:
    ended = run(str(python_bin / "gunicorn"), "-c", "anomaly_server/gunicorn.py", "anomaly_server.wsgi", **{name: "x"})
    assert ended.returncode == 1
    assert ended.stderr == manage("check", **{name: "x"}).stderr


def test_the_way_to_the_error_is_shown_on_demand() -> None:
    ended = manage("check", "--traceback", PORT="abc")
    assert ended.returncode == 1
    assert "Traceback" in ended.stderr


def test_an_error_of_the_database_is_told_in_one_sentence(own_database: str) -> None:
    too_slow = "from django.db import connection; connection.cursor().execute('SELECT pg_sleep(9)')"
    ended = manage("shell", "-c", too_slow, DATABASE_URL=f"{own_database}&options=-cstatement_timeout%3D50")
    assert ended.returncode == 1
    assert ended.stderr == "error: the database: canceling statement due to statement timeout\n"


def test_a_database_without_tables_is_told_what_to_do(own_database: str) -> None:
    ended = manage("score", DATABASE_URL=f"{own_database}&options=-csearch_path%3Dnowhere")
    assert ended.returncode == 1
    assert ended.stderr == "error: the database lacks tables of this version: run `manage.py migrate`.\n"


def test_the_file_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_text(f"SECRET_KEY={SECRET_KEY}\nPORT=9001\nWEB_THREADS=7\n")
    shown = show({"PATH": os.environ["PATH"], "ENV_FILE": str(file), "PORT": "9002"})
    assert (shown["PORT"], shown["WEB_THREADS"]) == (9002, 7)


def test_an_unreadable_file_is_told(tmp_path: Path) -> None:
    not_text = tmp_path / "settings"
    not_text.write_bytes(b"PORT=\xff\n")
    assert "it is not UTF-8 text" in manage("check", ENV_FILE=str(not_text)).stderr
    assert "Is a directory" in manage("check", ENV_FILE=str(tmp_path)).stderr


def test_the_example_states_the_defaults(tmp_path: Path) -> None:
    """.env.example with a secret means the same as no file."""
    file = tmp_path / ".env"
    file.write_text((ROOT / ".env.example").read_text().replace("SECRET_KEY=\n", f"SECRET_KEY={SECRET_KEY}\n"))
    assert show(environment(ENV_FILE=str(file))) == show(environment())


def test_the_example_names_every_setting() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    named = {line.partition("=")[0] for line in lines if line and not line.startswith("#")}
    # ENV_FILE names the file itself; the two passwords are for docker-compose-local.yml.
    assert named == settings_read().keys() - {"ENV_FILE"} | {"POSTGRES_PASSWORD", "POSTGRES_APP_PASSWORD"}


@pytest.mark.django_db
def test_the_tests_read_no_file_and_own_their_database() -> None:
    assert os.environ["ENV_FILE"] == os.devnull
    assert str(settings.EMBEDDED_POSTGRES_DIR) == str(ROOT / "var" / "postgres-test")
    assert connection.settings_dict["NAME"].startswith("test_")


def show(env: dict[str, str]) -> dict[str, object]:
    command = [sys.executable, "-c", SHOW, *settings_read()]
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    shown: dict[str, object] = json.loads(ended.stdout)
    return shown
