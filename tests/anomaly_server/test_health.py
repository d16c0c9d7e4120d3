"""/livez and /readyz: what a probe is told, from anywhere and whatever else is wrong."""

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries, Settings

from anomaly_server import health


def away(*_: object, **__: object) -> None:
    raise OperationalError("connection to 10.0.0.7 refused: password=hunter2")


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
@pytest.mark.django_db
def test_a_probe_needs_no_known_host_no_tls_and_no_login(path: str, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["only.example"]
    response = Client().get(path, headers={"Host": "10.1.2.3:8000"})
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert response["Cache-Control"] == "no-store"


def test_liveness_does_not_ask_the_database() -> None:
    # Without the database mark, any query fails the test.
    assert Client().get("/livez").status_code == 200


@pytest.mark.django_db
def test_a_database_that_is_away_is_not_ready_and_says_no_more_than_that(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    monkeypatch.setattr(connection, "cursor", away)
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (503, {"status": "unavailable", "waiting_for": "database"})
    assert client.get("/livez").status_code == 200
    monkeypatch.undo()
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
def test_a_missing_migration_is_not_ready() -> None:
    client = Client()
    recorder = MigrationRecorder(connection)
    (latest,) = MigrationLoader(connection).graph.leaf_nodes("transactions")
    recorder.record_unapplied(*latest)
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (503, {"status": "unavailable", "waiting_for": "migrations"})
    recorder.record_applied(*latest)
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
def test_once_migrated_a_probe_costs_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    ready = health.Readiness()
    ready()
    with django_assert_num_queries(1):
        assert ready().status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "delete", "options"])
def test_a_probe_only_reads(method: str) -> None:
    response: Any = getattr(Client(), method)("/livez")
    assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")
