"""The limit of a key: counted by all processes together, told in headers, and cheap."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries, Settings

from tests.api import BASE, client_of, problem, used_key
from tests.factories import AnalystFactory
from transactions import limits
from transactions.models import ApiKey, ApiKeyMinute

LIST = BASE + "users/"


def limited(limit: int | None) -> Client:
    text = used_key("users:read")
    ApiKey.objects.update(rate_limit=limit)
    return client_of(text)


@pytest.mark.django_db
def test_one_request_too_many_is_a_429_that_says_when_to_try_again() -> None:
    client = limited(3)
    for left in (2, 1, 0):
        response = client.get(LIST)
        assert response.status_code == 200
        assert response["RateLimit-Policy"] == '"key";q=3;w=60'
        assert response["RateLimit"].startswith(f'"key";r={left};t=')
    response = client.get(LIST)
    assert problem(response, 429)["type"] == "urn:anomaly-server:problem:throttled"
    assert 0 <= int(response["Retry-After"]) <= 60
    assert response["RateLimit"].startswith('"key";r=0;t=')


@pytest.mark.django_db
def test_a_key_without_a_limit_has_the_servers(settings: Settings) -> None:
    client = limited(None)
    assert "RateLimit" not in client.get(LIST)
    settings.API_RATE_LIMIT = 1
    assert [client.get(LIST).status_code for _ in range(2)] == [200, 429]
    ApiKey.objects.update(rate_limit=0)
    assert client.get(LIST).status_code == 200


@pytest.mark.django_db
def test_a_new_limit_counts_from_the_next_request_on() -> None:
    client = limited(1)
    assert [client.get(LIST).status_code for _ in range(2)] == [200, 429]
    ApiKey.objects.update(rate_limit=1000)
    assert client.get(LIST).status_code == 200


@pytest.mark.django_db
def test_what_another_process_let_through_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    client = limited(4)
    for process in range(2):
        monkeypatch.setattr(limits, "_minutes", {})  # As if it were another one.
        assert [client.get(LIST).status_code for _ in range(2)] == [200, 200], process
    assert client.get(LIST).status_code == 429


@pytest.mark.django_db
def test_the_next_minute_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    client = limited(1)
    assert [client.get(LIST).status_code for _ in range(2)] == [200, 429]
    monkeypatch.setattr(limits, "_minutes", {})
    ApiKeyMinute.objects.update(minute=timezone.now() - timedelta(minutes=2))
    assert client.get(LIST).status_code == 200


@pytest.mark.django_db
def test_a_refused_key_asks_the_database_for_nothing_but_itself(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    client = limited(1)
    client.get(LIST)
    client.get(LIST)
    with django_assert_num_queries(1):
        problem(client.get(LIST), 429)


@pytest.mark.django_db
def test_a_large_limit_costs_a_query_once_a_share(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(1):
        assert all(limits.ask("fast", 256_000).passes for _ in range(1_000))


@pytest.mark.django_db
def test_somebody_logged_in_has_no_limit(settings: Settings) -> None:
    settings.API_RATE_LIMIT = 1
    client = Client()
    client.force_login(AnalystFactory())
    assert [client.get(LIST).status_code for _ in range(3)] == [200] * 3


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_many_threads_never_get_more_than_the_limit_and_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # One minute for all of it, wherever the clock stands.
    monkeypatch.setattr(limits, "TAKE", limits.TAKE.replace("now()", "timestamptz '2024-06-01 12:00:10Z'"))

    def many(_thread: int) -> Any:
        try:
            return sum(limits.ask("threads", 700).passes for _ in range(200))
        finally:
            connection.close()

    with ThreadPoolExecutor(5) as pool:
        assert sum(pool.map(many, range(5))) == 700
    ApiKeyMinute.objects.all().delete()


@pytest.mark.django_db
def test_counting_waits_for_no_disk() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpersistence::text FROM pg_class WHERE relname = 'api_key_minutes'")
        assert cursor.fetchone() == ("u",)
