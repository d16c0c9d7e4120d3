"""A key that was good a moment ago is asked for together with the page, and is refused as soon as it is not."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from anomalies.api.listing import Listing
from tests.api import BASE, client_of, problem, results, used_key
from tests.factories import TransactionFactory
from transactions import keys, limits
from transactions.api.views import TransactionViewSet
from transactions.models import ApiKey

pytestmark = pytest.mark.django_db
LIST = "transactions/"
NOBODYS = f"{BASE}{LIST}?user_id=10000000-0000-4000-8000-000000000000"


@pytest.fixture
def text() -> str:
    """A key that this process has just seen to be good."""
    TransactionFactory()
    text = used_key("transactions:read")
    assert len(results(client_of(text), LIST)) == 1
    return text


def revoked(_key: ApiKey) -> None:
    ApiKey.objects.update(revoked=True)


def expired(_key: ApiKey) -> None:
    ApiKey.objects.update(expiry_date=timezone.now() - timedelta(seconds=1))


def orphaned(_key: ApiKey) -> None:
    User.objects.update(is_active=False)


def deleted(key: ApiKey) -> None:
    key.delete()


def with_another_secret(key: ApiKey) -> None:
    ApiKey.objects.filter(pk=key.pk).update(hashed_key=key.hashed_key[:-1] + "x")


@pytest.mark.parametrize("ended", [revoked, expired, orphaned, deleted, with_another_secret])
@pytest.mark.parametrize("query", ["", "?limit=0", "?limit=1&cursor=AAAA", "?status=nobodys"])
def test_a_key_that_ends_is_refused_from_the_next_request_on(
    text: str, ended: Callable[[ApiKey], None], query: str
) -> None:
    ended(ApiKey.objects.get())
    problem(client_of(text).get(BASE + LIST + query), 401)
    problem(client_of(text).get(BASE + LIST), 401)


def test_a_key_that_expires_by_itself_is_refused() -> None:
    TransactionFactory()
    text = used_key("transactions:read")
    with connection.cursor() as cursor:
        # A busy machine may need longer for both requests than the key lives.
        for life_s in (0.4, 4, 40):
            cursor.execute("UPDATE api_keys SET expiry_date = clock_timestamp() + make_interval(secs => %s)", [life_s])
            seen = [client_of(text).get(BASE + LIST).status_code for _ in range(2)]
            # No row changes any more: only time goes on.
            cursor.execute("SELECT extract(epoch FROM expiry_date - clock_timestamp())::float8 FROM api_keys")
            (left_s,) = cursor.fetchone()
            if left_s > 0:
                break
        assert seen == [200, 200]
        cursor.execute("SELECT pg_sleep(%s)", [left_s + 0.1])
    problem(client_of(text).get(BASE + LIST), 401)


def test_what_a_key_may_do_counts_from_the_next_request_on(text: str) -> None:
    ApiKey.objects.update(scopes=["users:read"])
    problem(client_of(text).get(BASE + LIST), 403)
    ApiKey.objects.update(scopes=["transactions:read"])
    assert len(results(client_of(text), LIST)) == 1


def test_a_lower_limit_counts_from_the_next_request_on(text: str) -> None:
    ApiKey.objects.update(rate_limit=1)
    assert [client_of(text).get(BASE + LIST).status_code for _ in range(2)] == [200, 429]
    ApiKey.objects.update(rate_limit=1000)
    assert client_of(text).get(BASE + LIST).status_code == 200


@pytest.mark.parametrize(("path", "status"), [(NOBODYS, 200), (f"{BASE}{LIST}?limit=0", 400)])
def test_a_request_is_counted_once_when_the_key_is_looked_up_after_all(
    text: str, monkeypatch: pytest.MonkeyPatch, path: str, status: int
) -> None:
    ApiKey.objects.update(rate_limit=1000)
    client_of(text).get(BASE + LIST)
    asked: list[int] = []
    monkeypatch.setattr(limits, "ask", lambda _prefix, limit: asked.append(limit) or limits.Verdict(True, 1, 1.0))
    assert client_of(text).get(path).status_code == status
    assert asked == [1000]


def test_the_guards_one_query_knows_every_row_of_the_key(text: str) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert len(results(client_of(text), LIST)) == 1
    (query,) = queries.captured_queries
    assert "api_keys" in query["sql"]
    assert "FROM transactions" in query["sql"]


def test_no_rows_are_answered_without_the_guards_query(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(self: Listing, *_: object) -> list[Any]:
        return []

    monkeypatch.setattr(Listing, "fetch", careless)
    problem(client_of(text).get(BASE + LIST), 500)
    monkeypatch.setattr(TransactionViewSet, "takes_guard", False)
    assert results(client_of(text), LIST) == []


def test_no_more_keys_are_kept_in_mind_than_memory_is_meant_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_seen", {})
    monkeypatch.setattr(keys, "MOST_SEEN", 2)
    for _ in range(5):
        assert keys.find(used_key("transactions:read"))
        assert 0 < len(keys._seen) <= 2


def test_what_a_request_makes_of_its_user_is_unknown_to_the_next_one(text: str) -> None:
    first, second = keys.seen(text), keys.seen(text)
    assert first is not None
    assert second is not None
    assert first == second
    assert first.owner == second.owner
    assert first.owner is not second.owner
    first.owner._perm_cache = {"everything"}
    first.scopes = []
    assert not hasattr(second.owner, "_perm_cache")
    assert second.scopes == ["transactions:read"]
    with CaptureQueriesContext(connection) as queries:
        assert second.owner.is_active
    assert not queries.captured_queries
    second.refresh_from_db()
    assert second.owner == User.objects.get()
