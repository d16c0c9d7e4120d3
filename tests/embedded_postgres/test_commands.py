"""`manage.py` on the embedded server: what starts it, what does not, and `db`."""

import stat
from pathlib import Path

import psycopg
import pytest

from anomaly_server.embedded_postgres import roles, server
from tests.embedded_postgres import children
from tests.embedded_postgres.children import Managers
from tests.embedded_postgres.conftest import copy, end

ELSEWHERE = "postgresql://nobody:secret@127.0.0.1:1/nothing"


def test_commands_that_need_no_data_do_not_start_it(empty: Path) -> None:
    commands = (
        ["--help"],
        ["check"],
        ["makemigrations", "--check", "--dry-run"],
        ["collectstatic", "--no-input", "--dry-run", "--verbosity=0"],
        ["db", "stop"],
    )
    running = [children.managing(empty, *command) for command in commands]
    ended = [children.finish(process) for process in running]
    assert [code for code, _, _ in ended] == [0] * len(commands), ended
    assert [err for _, _, err in ended if "Warning" in err or "Traceback" in err] == []
    assert not empty.exists()


def test_makemigrations_looks_at_a_running_database(manage: Managers, installed: Path) -> None:
    with children.connect(installed, roles.OWNER) as connection:
        connection.execute("DELETE FROM django_migrations WHERE app = 'contenttypes'")
        done = manage(installed, "makemigrations", "--check", "--dry-run")
        connection.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('contenttypes', '0001_initial', now()),"
            " ('contenttypes', '0002_remove_content_type_name', now())"
        )
    assert "InconsistentMigrationHistory" in done.stderr


def test_makemigrations_still_tells_of_a_database_that_cannot_be_reached(manage: Managers, empty: Path) -> None:
    done = manage(empty, "makemigrations", "--check", "--dry-run", DATABASE_URL=ELSEWHERE)
    assert done.returncode == 0
    assert "Got an error checking a consistent migration history" in done.stderr


def test_migrate_again_changes_nothing_and_the_rights_stay(manage: Managers, installed: Path) -> None:
    done = manage(installed, "migrate", "transactions")
    assert done.returncode == 0, done.stderr
    assert "No migrations to apply" in done.stdout
    with children.connect(installed) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("DELETE FROM transactions")


def test_a_first_migrate_of_one_app_alone_works(manage: Managers, home: Path) -> None:
    assert manage(home, "migrate", "contenttypes", "--verbosity=0").returncode == 0
    with children.connect(home) as connection:
        assert connection.execute("SELECT count(*) < 5 FROM django_content_type").fetchone() == (True,)


def test_two_migrates_at_once_take_turns(home: Path) -> None:
    ended = [children.finish(process) for process in [children.managing(home, "migrate", "auth") for _ in range(2)]]
    assert [code for code, _, _ in ended] == [0, 0], ended
    assert sum("Applying auth.0001_initial" in out for _, out, _ in ended) == 1


def test_migrate_without_a_server_ends_in_a_sentence(manage: Managers, empty: Path) -> None:
    done = manage(empty, "migrate", DATABASE_URL=ELSEWHERE)
    assert done.returncode == 1
    assert "No connection to the database" in done.stderr
    assert "Traceback" not in done.stderr


def test_start_status_and_stop(manage: Managers, home: Path) -> None:
    before = manage(home, "db", "status")
    assert (before.returncode, "not running" in before.stdout, str(home / "data") in before.stdout) == (1, True, True)
    assert server.find(home) is None
    started = manage(home, "db", "start")
    assert started.returncode == 0
    found = server.find(home)
    assert found is not None
    assert str(found.pid) in started.stdout
    status = manage(home, "db", "status")
    assert status.returncode == 0
    assert f"running (process {found.pid})" in status.stdout
    assert "PostgreSQL 18" in status.stdout
    stopped = manage(home, "db", "stop")
    assert (stopped.returncode, stopped.stdout) == (0, "PostgreSQL is stopped.\n")
    assert server.find(home) is None
    again = manage(home, "db", "stop")
    assert (again.returncode, again.stdout) == (0, "PostgreSQL was not running.\n")


def test_status_of_nothing_makes_nothing(manage: Managers, empty: Path) -> None:
    done = manage(empty, "db", "status")
    assert done.returncode == 1
    assert "none yet" in done.stdout
    assert not empty.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["start"], 1, "not ours to start"),
        (["stop"], 1, "not ours to stop"),
        (["status"], 1, "connection"),
        (["backup", "/tmp/never-written"], 1, "connection"),
        (["nonsense"], 2, "invalid choice"),
        ([], 2, "required"),
    ],
)
def test_with_another_server_it_says_what_it_cannot_do(
    manage: Managers, empty: Path, arguments: list[str], code: int, sentence: str
) -> None:
    done = manage(empty, "db", *arguments, DATABASE_URL=ELSEWHERE)
    assert done.returncode == code
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr + done.stdout


def test_psql_logs_in_as_the_owner_and_passes_arguments_on(manage: Managers, installed: Path) -> None:
    done = manage(installed, "db", "psql", "--", "-XAtc", "SELECT current_user")
    assert (done.returncode, done.stdout) == (0, f"{roles.OWNER}\n")
    assert manage(installed, "db", "psql", "--", "-Xc", "nonsense").returncode == 1


def test_dbshell_logs_in_as_the_application(manage: Managers, installed: Path) -> None:
    done = manage(installed, "dbshell", "--", "-XAtc", "SELECT current_user")
    assert (done.returncode, done.stdout) == (0, f"{roles.APP}\n")


USER = "INSERT INTO django_content_type (app_label, model) VALUES ('backup', %s)"
FORGET = "DELETE FROM django_content_type WHERE app_label = 'backup'"
MODELS = "SELECT model FROM django_content_type WHERE app_label = 'backup' ORDER BY model"


PACKED = "INSERT INTO packed_rows SELECT gen_random_uuid(), now(), now(), 1, 1, 1, '\\x00'"


def test_a_backup_brings_everything_back(manage: Managers, installed: Path, empty: Path) -> None:
    file = empty.parent / "backup"
    with children.connect(installed, roles.OWNER) as connection:
        connection.execute(USER, ["before"])
        connection.execute(PACKED)
        done = manage(installed, "db", "backup", file)
        assert done.returncode == 0, done.stderr
        connection.execute(USER, ["after"])
        # A table of a newer release, which refers to one in the backup.
        connection.execute("CREATE TABLE newer (n int REFERENCES django_content_type)")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == [file.name]

    done = manage(installed, "db", "restore", file, "--yes")
    assert done.returncode == 0, done.stderr
    with children.connect(installed) as connection:
        assert connection.execute(MODELS).fetchall() == [("before",)]
        connection.execute(FORGET)
        # Only copies, which are made anew.
        assert connection.execute("SELECT count(*) FROM packed_rows").fetchone() == (0,)
        assert connection.execute("SELECT to_regclass('newer')").fetchone() == (None,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM transactions")
    assert manage(installed, "migrate", "--check").returncode == 0


def test_a_backup_replaces_no_file_unless_told_to(manage: Managers, installed: Path, empty: Path) -> None:
    file = empty.parent / "backup"
    file.write_text("precious")
    done = manage(installed, "db", "backup", file)
    assert (done.returncode, "--force" in done.stderr, file.read_text()) == (1, True, "precious")
    assert manage(installed, "db", "backup", file, "--force").returncode == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_backup_takes_no_folders_or_devices_place(manage: Managers, installed: Path, empty: Path) -> None:
    for target in (empty.parent, "/dev/null", "."):
        done = manage(installed, "db", "backup", target, "--force")
        assert (done.returncode, "no ordinary file" in done.stderr) == (1, True)
    assert Path("/dev/null").is_char_device()


def test_a_restore_that_fails_changes_nothing(manage: Managers, installed: Path, empty: Path) -> None:
    file = empty.parent / "backup"
    assert manage(installed, "db", "backup", file).returncode == 0
    with children.connect(installed, roles.OWNER) as connection:
        connection.execute(USER, ["kept"])
    whole = file.read_bytes()
    broken = empty.parent / "broken"
    broken.write_bytes(whole[: len(whole) * 9 // 10])
    not_ours = empty.parent / "not ours"
    not_ours.write_text("amount,currency\n")
    for arguments, code in (
        ((broken, "--yes"), 1),
        ((not_ours, "--yes"), 1),
        ((empty.parent / "missing", "--yes"), 1),
        ((file,), 2),
    ):
        done = manage(installed, "db", "restore", *arguments)
        assert done.returncode == code, (arguments, done.stderr)
        assert done.stderr.startswith("CommandError: ")
        assert "Traceback" not in done.stderr
    with children.connect(installed) as connection:
        assert connection.execute(MODELS).fetchall() == [("kept",)]
        connection.execute(FORGET)


def test_a_killed_restore_changes_nothing(manage: Managers, installed: Path, empty: Path) -> None:
    file = empty.parent / "backup"
    assert manage(installed, "db", "backup", file).returncode == 0
    with children.connect(installed, roles.OWNER) as connection:
        connection.execute(USER, ["still here"])
        # Holds the restore up in its middle: it waits for this lock.
        with connection.transaction(), children.connect(installed, roles.OWNER) as watching:
            connection.execute("LOCK TABLE django_session IN ACCESS SHARE MODE")
            process = children.managing(installed, "db", "restore", file, "--yes")
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%DROP%'"
            children.until(lambda: watching.execute(waiting).fetchone() == (1,), "the restore")
            process.kill()
            process.communicate()
        assert connection.execute(MODELS).fetchall() == [("still here",)]
        connection.execute(FORGET)
        assert connection.execute("SELECT count(*) > 0 FROM django_migrations").fetchone() == (True,)


def test_an_external_server_serves_with_two_roles(manage: Managers, template: Path, empty: Path) -> None:
    """DATABASE_URL and DATABASE_OWNER_URL, here on the socket of a server that plays the external one."""
    home = copy(template, empty)
    found = server.running(home, durable=False)
    login, owner = found.login(roles.APP), found.login(roles.OWNER)
    urls = {
        "DATABASE_URL": f"postgresql://{login.user}:{login.password}@/{roles.DATABASE}?host={login.host}",
        "DATABASE_OWNER_URL": f"postgresql://{owner.user}:{owner.password}@/{roles.DATABASE}?host={login.host}",
    }
    nowhere = empty.parent / "unused"
    try:
        done = manage(nowhere, "migrate", "--verbosity=0", **urls)
        assert done.returncode == 0, done.stderr
        status = manage(nowhere, "db", "status", **urls)
        assert status.returncode == 0
        assert roles.OWNER in status.stdout
        assert login.password not in status.stdout
        with children.connect(home) as connection:
            assert connection.execute("SELECT count(*) FROM transactions").fetchone() == (0,)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("DELETE FROM verdicts")
        file = empty.parent / "external"
        assert manage(nowhere, "db", "backup", file, **urls).returncode == 0
        assert manage(nowhere, "db", "restore", file, "--yes", **urls).returncode == 0
        assert not nowhere.exists()
    finally:
        end(home)
