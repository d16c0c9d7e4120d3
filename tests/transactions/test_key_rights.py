"""A key writes while its owner has the permission, and to know that takes no query of its own."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.api import client_of, post, problem
from tests.transactions.test_create_guarded import body
from transactions import keys, rights, scopes
from transactions.models import ApiKey, Transaction

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "transactions/"
NEEDED = "transactions.add_transaction"


def permission() -> Permission:
    return Permission.objects.get(codename="add_transaction", content_type__app_label="transactions")


@pytest.fixture(params=["own", "group"])
def owner(request: pytest.FixtureRequest) -> User:
    """Somebody who may write, by himself or through a group."""
    user = User.objects.create_user("writer")
    if request.param == "own":
        user.user_permissions.add(permission())
    else:
        group = Group.objects.create(name="writers")
        group.permissions.add(permission())
        user.groups.add(group)
    return user


@pytest.fixture(params=[False, True], ids=["unscored", "live"])
def text(request: pytest.FixtureRequest, owner: User, settings: Settings) -> str:
    settings.LIVE_SCORING = request.param
    key, text = keys.create(owner=owner, name="test", scopes=scopes.ALL)
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=timezone.now())
    assert post(client_of(text), PATH, body()).status_code == 201
    return text


def taken_away(owner: User) -> None:
    owner.user_permissions.clear()
    owner.groups.clear()


def taken_from_all(_owner: User) -> None:
    User.user_permissions.through.objects.all().delete()
    Group.permissions.through.objects.all().delete()


@pytest.mark.parametrize("away", [taken_away, taken_from_all])
def test_a_permission_taken_away_counts_from_the_next_request_on(text: str, owner: User, away: Any) -> None:
    assert post(client_of(text), PATH, body()).status_code == 201
    away(owner)
    problem(post(client_of(text), PATH, body()), 403)
    problem(post(client_of(text), PATH, body(amount="much")), 403)
    assert Transaction.objects.count() == 2
    owner.user_permissions.add(permission())
    assert post(client_of(text), PATH, body()).status_code == 201


def test_one_who_never_had_it_may_not(text: str, owner: User) -> None:
    other, theirs = keys.create(owner=User.objects.create_user("other"), name="test", scopes=scopes.ALL)
    assert other.owner != owner
    for _ in range(2):
        problem(post(client_of(theirs), PATH, body()), 403)
    assert post(client_of(text), PATH, body()).status_code == 201


def test_to_know_it_takes_no_query_of_its_own(text: str, settings: Settings) -> None:
    settings.LIVE_SCORING = False
    post(client_of(text), PATH, body())
    with CaptureQueriesContext(connection) as queries:
        assert post(client_of(text), PATH, body()).status_code == 201
    (query,) = queries.captured_queries
    assert "auth_permission" in query["sql"]


def test_rights_are_what_django_says_they_are(owner: User) -> None:
    for name in (NEEDED, "transactions.change_transaction", "anomalies.add_transaction", "nonsense", ""):
        assert rights.has(owner.pk, name) == owner.has_perm(name)
    User.objects.update(is_active=False)
    assert not rights.has(owner.pk, NEEDED)
