"""The image and the composition agree with the settings and the tree. No container engine is needed."""

import json
import os
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from django.db import connection

from anomaly_server import database_roles, probe
from anomaly_server.embedded_postgres import binaries, roles
from tests.anomaly_server.programs import ROOT, kept_port, run, settings_read, started, wait_until
from tests.conftest import login_of

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose-local.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
FOR_THE_DATABASE = {"POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_APP_PASSWORD"}
OF_PYTHON_AND_SHELL = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}


def instructions(word: str) -> list[str]:
    return re.findall(rf"^{word} (.*)$", DOCKERFILE, re.MULTILINE)


def command_of(word: str) -> list[str]:
    """The list of the last CMD of the image, or of its health check."""
    found: list[str] = json.loads(re.findall(rf"^{word}.*?(\[.*\])$", DOCKERFILE, re.MULTILINE)[-1])
    return found


def test_the_services_have_the_names_that_people_know() -> None:
    assert set(SERVICES) == {
        "anomaly-detector-db",
        "anomaly-detector-migrate",
        "anomaly-detector-server",
        "anomaly-detector-worker",
    }
    assert SERVICES["anomaly-detector-db"]["image"] == "postgres:18"


def test_every_variable_is_a_setting() -> None:
    in_image = {name for line in instructions("ENV") for name in re.findall(r"(\w+)=", line)}
    in_services = {name for service in SERVICES.values() for name in service.get("environment", {})}
    in_texts = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose-local.yml").read_text()))
    assert in_image | in_services | in_texts <= settings_read().keys() | FOR_THE_DATABASE | OF_PYTHON_AND_SHELL


def test_no_secret_has_a_default_or_is_baked_in() -> None:
    text = (ROOT / "docker-compose-local.yml").read_text()
    for name in ("POSTGRES_PASSWORD", "POSTGRES_APP_PASSWORD"):
        assert set(re.findall(rf"\${{{name}[^}}]*}}", text)) == {f"${{{name}:?set it in .env}}"}
    assert not re.search(r"^(ENV|ARG).*(SECRET|PASSWORD|DATABASE)", DOCKERFILE, re.MULTILINE)
    assert ".env" not in (ROOT / ".dockerignore").read_text().replace("!", "").split()
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


def test_only_the_migration_knows_the_owner() -> None:
    owners = {name for name, service in SERVICES.items() if "DATABASE_OWNER_URL" in service.get("environment", {})}
    assert owners == {"anomaly-detector-migrate"}
    for name in ("anomaly-detector-server", "anomaly-detector-worker"):
        # .env, which the container reads, holds the owner's password; the line below hides it.
        assert SERVICES[name]["environment"]["POSTGRES_PASSWORD"] == ""


def test_nothing_serves_before_the_tables_are_there() -> None:
    assert SERVICES["anomaly-detector-migrate"]["depends_on"] == {
        "anomaly-detector-db": {"condition": "service_healthy"}
    }
    for name in ("anomaly-detector-server", "anomaly-detector-worker"):
        after = SERVICES[name]["depends_on"]["anomaly-detector-migrate"]["condition"]
        assert after == "service_completed_successfully"


def test_what_is_copied_is_there_and_let_through() -> None:
    sources = [line.split()[0] for line in instructions("COPY") if not line.startswith("--from")]
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert let_through == set(sources)
    for source in [*sources, "docker-db-roles.sh"]:
        assert (ROOT / source).exists()


def test_the_image_has_every_folder_that_is_imported() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert packages <= {line.split()[0] for line in instructions("COPY")}


def test_it_does_not_run_as_root() -> None:
    after_user = DOCKERFILE[DOCKERFILE.index("\nUSER anomaly\n") :]
    assert "\nRUN" not in after_user
    assert "\nUSER root" not in after_user


def test_every_command_of_the_composition_is_a_command(python_bin: Path) -> None:
    for name in ("anomaly-detector-migrate", "anomaly-detector-worker"):
        python, *arguments = SERVICES[name]["command"]
        assert python == "python"
        assert run(str(python_bin / "python"), *arguments, "--help").returncode == 0


def test_the_image_serves_and_its_health_check_sees_it(python_bin: Path, own_database: str, tmp_path: Path) -> None:
    """The very commands of the image, with its HOST, by hand."""
    migrated = run(sys.executable, "manage.py", "migrate", DATABASE_URL=own_database)
    assert migrated.returncode == 0, migrated.stderr
    with kept_port() as port:
        more = {"DATABASE_URL": own_database, "HOST": "0.0.0.0", "PORT": str(port)}  # noqa: S104
        serves_and_is_checked(python_bin, tmp_path / "log", **more)


def serves_and_is_checked(python_bin: Path, log: Path, **more: str) -> None:
    program, *arguments = command_of("CMD")
    check, *check_arguments = command_of("HEALTHCHECK")
    assert run(str(python_bin / check), *check_arguments, **more).returncode == 1
    ask = partial(probe.answers, host="127.0.0.1", port=int(more["PORT"]))
    with started(str(python_bin / program), *arguments, log=log, **more) as server:
        wait_until(lambda: ask("/livez", name="localhost"))
        assert run(str(python_bin / check), *check_arguments, **more).returncode == 0
        # Whatever name the outside uses, the check asks by one that is accepted.
        assert ask("/admin/login/", name="evil.example") is False
        server.terminate()
        assert server.wait(timeout=120) == 0


@pytest.mark.django_db
def test_the_script_of_the_database_makes_the_role() -> None:
    """Under another name, because the role may exist here; with a password that SQL would trip over."""
    name, password = "anomaly_app_of_a_test", "it's; --"
    login = superuser()
    script = (ROOT / "docker-db-roles.sh").read_text().replace("anomaly_app", name)
    in_container = {
        "PATH": f"{binaries.program('psql').parent}:{os.environ['PATH']}",
        "PGHOST": login["host"],
        "PGPORT": login["port"],
        "PGPASSWORD": login.get("password", ""),
        "POSTGRES_USER": login["user"],
        "POSTGRES_DB": login["dbname"],
        "POSTGRES_APP_PASSWORD": password,
    }
    with psycopg.connect(**login, autocommit=True) as server:
        try:
            made = run("sh", "-c", script, **in_container)
            assert made.returncode == 0, made.stderr
            with psycopg.connect(**{**login, "user": name, "password": password}) as application:
                assert application.execute("SELECT current_user").fetchone() == (name,)
        finally:
            server.execute(f"DROP ROLE IF EXISTS {name}")


def superuser() -> dict[str, str]:
    """A login that may make roles, to the database of the tests."""
    params = connection.get_connection_params()
    if database_roles.is_embedded(connection):
        params |= connection.login(roles.SUPERUSER)._asdict()
    return login_of(params)
