"""Each check of `manage.py doctor`, made to fail once: on the tests' own PostgreSQL, or on what it would answer."""

import json
import time
from datetime import timedelta
from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from anomalies.events import OutboxEvent
from anomalies.models import PendingScore, Reference
from anomaly_server.doctor import configuration, database, disk, examine, packages, schema, work
from anomaly_server.doctor.findings import Finding, lasted
from tests.anomalies.webhooks.telling import endpoint, tell
from tests.anomaly_server.programs import SECRET_KEY, manage
from tests.factories import ReferenceFactory, TransactionFactory

pytestmark = pytest.mark.django_db
CHECKS = (*examine.WITHOUT_DATABASE, database.server, *examine.OF_DATABASE, *examine.OF_TABLES)
# Of 20 users.
MANY = """
    INSERT INTO transactions (id, user_id, amount, currency, txn_date, status)
    SELECT gen_random_uuid(), ('10000000-0000-4000-8000-' || lpad((n % 20)::text, 12, '0'))::uuid,
        n % 500, 'EUR', now() - n * interval '30 minutes', 'completed'
    FROM generate_series(1, 12000) AS n
"""


def does(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def is_bad(found: Finding, level: str, says: str) -> bool:
    """It is told, with what to do."""
    assert says in found.says
    return found.level == level and len(found.do) > 10


class TestConfiguration:
    def test_a_secret_that_can_be_guessed(self, settings: Settings) -> None:
        settings.SECRET_KEY = "change-me-" * 6
        assert is_bad(configuration.secret_key(), "error", "guessed")
        settings.SECRET_KEY = SECRET_KEY
        assert configuration.secret_key().level == "ok"
        settings.SECRET_KEY_FALLBACKS = ["earlier-" * 6]
        assert is_bad(configuration.secret_key(), "warning", "(1)")

    def test_debug(self, settings: Settings) -> None:
        assert configuration.debug().level == "ok"
        settings.DEBUG = True
        assert is_bad(configuration.debug(), "error", "DEBUG is on")

    @pytest.mark.parametrize(
        ("host", "names", "level"),
        [
            ("127.0.0.1", ["localhost"], "ok"),
            ("0.0.0.0", ["pay.example"], "ok"),  # noqa: S104
            ("0.0.0.0", ["localhost"], "warning"),  # noqa: S104
            ("127.0.0.1", ["*"], "warning"),
        ],
    )
    def test_names_that_let_nobody_in_or_everybody(
        self, settings: Settings, host: str, names: list[str], level: str
    ) -> None:
        settings.HOST, settings.ALLOWED_HOSTS = host, names
        assert configuration.hosts().level == level

    def test_no_tls_matters_where_others_reach_it(self, settings: Settings) -> None:
        settings.HOST, settings.ALLOWED_HOSTS = "127.0.0.1", ["localhost"]
        assert configuration.https().level == "ok"
        settings.ALLOWED_HOSTS = ["pay.example"]
        assert is_bad(configuration.https(), "warning", "as they are")
        settings.HTTPS_ONLY = True
        assert configuration.https().level == "ok"


class TestPackages:
    def test_all_are_here_as_locked(self) -> None:
        found = packages.packages()
        assert (found.level, found.do) == ("ok", "")
        assert "All " in found.says

    def test_one_is_missing_or_another_version(self, settings: Settings, tmp_path: Path) -> None:
        settings.BASE_DIR = tmp_path
        assert packages.packages().level == "ok"
        (tmp_path / "requirements.txt").write_text("django==1.0 \\\n    --hash=sha256:0\n# said\n")
        assert is_bad(packages.packages(), "warning", "django ")
        (tmp_path / "requirements.txt").write_text("nobodys-package==1.0\nother==1 ; sys_platform == 'none'\n")
        assert is_bad(packages.packages(), "error", "Not installed: nobodys-package.")


class TestDatabase:
    def test_it_is_too_old(self) -> None:
        assert database.server().level == "ok"
        assert is_bad(database.judge_server(150_004, "15.4"), "error", "15.4 is too old")

    def test_an_encoding_that_lacks_characters_and_a_collation_that_changed(self) -> None:
        assert database.encoding().level == "ok"
        assert is_bad(database.judge_encoding("SQL_ASCII", None, None), "error", "SQL_ASCII")
        assert is_bad(database.judge_encoding("UTF8", "2.31", "2.36"), "warning", "2.36 now, and was 2.31")

    def test_another_time_zone(self) -> None:
        assert database.time_zone().level == "ok"
        does("SET LOCAL TIME ZONE 'Europe/Berlin'")
        assert is_bad(database.time_zone(), "error", "Europe/Berlin")

    def test_clocks_that_differ(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert database.clock().level == "ok"
        ours = time.time
        for behind_s, level in ((600, "error"), (-600, "error"), (30, "warning")):
            monkeypatch.setattr(database.time, "time", lambda behind_s=behind_s: ours() + behind_s)
            assert is_bad(database.clock(), level, "apart")

    def test_a_time_limit_for_all_statements(self) -> None:
        assert database.time_limits().level == "ok"
        does("SET LOCAL statement_timeout = '50s'")
        assert is_bad(database.time_limits(), "warning", "50s")

    def test_what_a_power_cut_or_a_crash_takes(self) -> None:
        assert database.judge_durability("on", "on", "on").level == "ok"
        assert is_bad(database.judge_durability("off", "off", "on"), "error", "fsync and full_page_writes off")
        assert is_bad(database.judge_durability("on", "on", "off"), "warning", "synchronous_commit")
        assert database.durability().check == "durability"

    def test_more_processes_than_connections(self, settings: Settings) -> None:
        settings.WEB_CONCURRENCY = 1
        assert database.connections().level == "ok"
        settings.WEB_CONCURRENCY = 10_000
        assert is_bad(database.connections(), "warning", "allows")


class TestSchema:
    def test_a_migration_that_is_missing(self) -> None:
        assert schema.migrations().level == "ok"
        does("DELETE FROM django_migrations WHERE app = 'transactions' AND name NOT LIKE '0001%'")
        found = schema.migrations()
        assert is_bad(found, "error", "transactions.0002")
        assert " more." in found.says

    def test_one_role_for_all(self) -> None:
        """As the tests have it; tests/embedded_postgres/test_rights.py has two."""
        assert schema.roles().level == "warning"
        assert is_bad(schema.judge_roles("app", True, True, True, True), "warning", "superuser")
        assert is_bad(schema.judge_roles("app", False, True, True, True), "warning", "One role")

    def test_the_index_is_missing_and_the_primary_query_takes_longer(self) -> None:
        assert "so small" in schema.primary_query().says
        does(MANY)
        does("ANALYZE transactions")
        assert [schema.index().level, schema.primary_query().level] == ["ok", "ok"]
        assert "without a sort" in schema.primary_query().says
        does("DROP INDEX ix_user_date_amount_id")
        assert is_bad(schema.index(), "error", "missing")
        assert is_bad(schema.primary_query(), "warning", "alone, but by: Limit")

    def test_an_index_of_other_columns_or_half_made(self) -> None:
        does("DROP INDEX ix_user_date_amount_id; CREATE INDEX ix_user_date_amount_id ON transactions (user_id, id)")
        assert is_bad(schema.index(), "error", "other columns")
        assert is_bad(schema.judge_index(f"CREATE INDEX ... {schema.COLUMNS}", False), "error", "invalid")


class TestWork:
    def test_no_worker_or_one_that_is_silent(self) -> None:
        # A table of no model: what a test has left there that starts a worker stays for the next ones.
        does("DELETE FROM procrastinate_workers")
        assert is_bad(work.worker(), "error", "No worker runs")
        does("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '2 hours')")
        assert is_bad(work.worker(), "error", "2 h")
        does("INSERT INTO procrastinate_workers DEFAULT VALUES")
        assert work.worker().level == "ok"

    def test_jobs_that_wait_or_failed(self) -> None:
        assert work.jobs().says == "None waits."
        does("INSERT INTO procrastinate_jobs (queue_name, task_name) VALUES ('q', 'one')")
        assert work.jobs().level == "ok"
        does("UPDATE procrastinate_events SET at = now() - interval '3 hours'")
        assert is_bad(work.jobs(), "warning", "3 h")
        does("INSERT INTO procrastinate_jobs (queue_name, task_name, status) VALUES ('q', 'two', 'failed')")
        assert is_bad(work.jobs(), "warning", "Failed: 1")

    def test_payments_that_nobody_will_score(self) -> None:
        assert work.backlog().level == "ok"
        PendingScore.objects.create(user_id=uuid4(), since=timezone.now())
        assert is_bad(work.backlog(), "warning", "1 users")
        does("INSERT INTO procrastinate_jobs (queue_name, task_name) VALUES ('q', 'one')")
        assert work.backlog().level == "ok"

    def test_no_reference_or_one_long_ago(self) -> None:
        assert work.reference().says == "None, and no payments."
        newest = TransactionFactory()
        assert is_bad(work.reference(), "warning", "none")
        ReferenceFactory(until=newest.txn_date)
        assert work.reference().level == "ok"
        Reference.objects.update(since=newest.txn_date - timedelta(60), until=newest.txn_date - timedelta(30))
        assert is_bad(work.reference(), "warning", "30 days")

    def test_webhooks_that_lag(self) -> None:
        endpoint("https://example.com/")
        tell(1)
        assert work.webhooks().level == "ok"
        OutboxEvent.objects.update(at=timezone.now() - timedelta(hours=5))
        assert is_bad(work.webhooks(), "warning", "5 h")


def test_a_disk_that_is_full(settings: Settings) -> None:
    assert disk.judge_disk(100 << 30).level == "ok"
    assert is_bad(disk.judge_disk(3 << 30), "warning", "3.0 GiB")
    assert is_bad(disk.judge_disk(100 << 20), "error", "ends when none is left")
    settings.DATABASE_URL = "postgresql://elsewhere/anomaly"
    assert disk.disk().level == "ok"


def test_what_cannot_be_looked_at_is_an_error_and_the_others_go_on() -> None:
    does("ALTER TABLE procrastinate_workers RENAME TO gone")
    found = examine.looked(work.worker)
    assert found.check == "worker"
    assert is_bad(found, "error", 'Cannot be looked at: relation "procrastinate_workers" does not exist')
    assert examine.looked(schema.index).level == "ok"


def test_it_changes_nothing() -> None:
    def changing() -> Finding:
        PendingScore.objects.create(user_id=uuid4(), since=timezone.now())
        return work.backlog()

    assert examine.looked(changing).level == "warning"
    assert not PendingScore.objects.exists()


def test_every_check_tells_its_name_and_all_are_told(settings: Settings) -> None:
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert (ended.value.code, told["ok"]) == (1, False)
    assert [one["check"] for one in told["checks"]] == [check.__name__.replace("_", " ") for check in CHECKS]
    assert settings.SECRET_KEY not in out.getvalue()
    assert [bool(one["do"]) for one in told["checks"]] == [one["level"] != "ok" for one in told["checks"]]


def test_without_errors_it_ends_with_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examine, "WITHOUT_DATABASE", (configuration.debug,))
    monkeypatch.setattr(examine, "OF_DATABASE", ())
    monkeypatch.setattr(examine, "OF_TABLES", (schema.roles,))
    out = StringIO()
    call_command("doctor", stdout=out)
    assert out.getvalue().endswith("2 ok, 1 to look at, 0 wrong.\n")


def test_a_database_that_is_away_is_told_with_the_reason_and_no_secret() -> None:
    ended = manage("doctor", DATABASE_URL="postgresql://anomaly_app:hush-hush@127.0.0.1:1/anomaly")
    assert ended.returncode == 1
    assert "Connection refused" in ended.stdout
    assert "manage.py db start" in ended.stdout
    assert "hush-hush" not in ended.stdout + ended.stderr
    assert SECRET_KEY not in ended.stdout + ended.stderr


def test_durations_are_short() -> None:
    assert [lasted(seconds) for seconds in (5, 300, 9000, 500_000)] == ["5 s", "5 min", "2 h", "6 days"]
