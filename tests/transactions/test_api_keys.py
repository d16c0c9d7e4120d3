"""API keys: shown once, kept as a hash, and of no use once revoked, expired or orphaned."""

from datetime import timedelta
from importlib import import_module
from io import StringIO
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.hashers import identify_hasher
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver, reverse
from django.utils import timezone

from anomalies.models import AuditEntry
from tests.api import BASE, client_of, post, problem, used_key
from tests.factories import AnalystFactory
from transactions import keys, scopes
from transactions.models import ApiKey

pytestmark = pytest.mark.django_db
LIST = BASE + "transactions/"


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("api_key", *arguments, stdout=out)
    return out.getvalue()


def test_a_key_opens_the_api_in_its_owners_name() -> None:
    owner = AnalystFactory()
    _, text = keys.create(owner=owner, name="till 7")
    assert client_of(text).get(LIST).status_code == 200
    assert keys.find(text).owner == owner


def test_only_a_fast_hash_of_a_key_is_stored() -> None:
    _, text = keys.create(owner=AnalystFactory(), name="till 7")
    (stored,) = ApiKey.objects.values()
    assert text.partition(".")[2] not in str(stored)
    assert stored["hashed_key"].startswith("sha512$$")
    with pytest.raises(ValueError, match="sha512"):
        identify_hasher(stored["hashed_key"])  # None of Django's slow ones.


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer abcdefgh.",
        "Bearer abcdefgh." + "x" * 32,
        "Bearer \x00",
        "Bearer " + "é" * 41,
        "Basic YWRtaW46YWRtaW4=",
        "Token abcdefgh",
        "",
    ],
)
def test_what_is_no_key_is_401_and_says_how_to_log_in(header: str) -> None:
    keys.create(owner=AnalystFactory(), name="another")
    response = Client(headers={"Authorization": header}).get(LIST)
    assert problem(response, 401)["errors"] == []
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'


def test_the_prefix_of_a_key_with_another_secret_is_refused() -> None:
    _, text = keys.create(owner=AnalystFactory(), name="till 7")
    other = text[:-1] + ("a" if text[-1] != "a" else "b")
    assert problem(client_of(other).get(LIST), 401)["detail"] == "This API key is not valid."


def test_a_revoked_key_is_refused_from_the_next_request_on() -> None:
    key, text = keys.create(owner=AnalystFactory(), name="till 7")
    client = client_of(text)
    assert client.get(LIST).status_code == 200
    assert keys.revoke(key.prefix)
    assert not keys.revoke(key.prefix)
    problem(client.get(LIST), 401)


def test_an_expired_key_is_refused() -> None:
    now = timezone.now()
    valid, expired = (
        keys.create(owner=AnalystFactory(), name="till", expires=now + timedelta(hours=hours))[1] for hours in (1, -1)
    )
    assert client_of(valid).get(LIST).status_code == 200
    problem(client_of(expired).get(LIST), 401)


def test_the_key_of_somebody_who_may_not_log_in_any_more_is_refused() -> None:
    owner = AnalystFactory()
    _, text = keys.create(owner=owner, name="till 7")
    owner.is_active = False
    owner.save()
    problem(client_of(text).get(LIST), 401)


def test_somebody_logged_in_reads_and_writes_as_permitted() -> None:
    person = AnalystFactory()
    client = Client()
    client.force_login(person)
    assert client.get(LIST).status_code == 200
    problem(post(client, "transactions/", "{}"), 403)
    person.user_permissions.add(Permission.objects.get(codename="add_transaction"))
    problem(post(client, "transactions/", "{}"), 400)


def test_a_session_needs_the_csrf_token_to_write_and_a_key_does_not() -> None:
    person = AnalystFactory(is_superuser=True)
    client = Client(enforce_csrf_checks=True)
    client.force_login(person)
    assert "CSRF" in problem(post(client, "transactions/", "{}"), 403)["detail"]
    _, text = keys.create(owner=person, name="till", scopes=scopes.ALL)
    strict = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {text}"})
    problem(post(strict, "transactions/", "{}"), 400)


def test_a_keys_rights_are_its_own_not_its_owners() -> None:
    _, text = keys.create(owner=AnalystFactory(is_superuser=True), name="reads")
    problem(post(client_of(text), "transactions/", "{}"), 403)


def test_the_command_makes_lists_and_revokes_keys() -> None:
    AnalystFactory(username="ada")
    text = run("create", "--user", "ada", "--name", "till 7", "--write").strip().splitlines()[-1]
    assert keys.find(text).scopes == list(scopes.ALL)
    prefix = text.partition(".")[0]
    listed = run("list")
    assert prefix in listed
    assert "till 7" in listed
    assert text not in listed
    assert "Revoked" in run("revoke", prefix)
    with pytest.raises(keys.NotValid):
        keys.find(text)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("create", "--user", "nobody", "--name", "x"), "no user"),
        (("create", "--user", "ada", "--name", ""), "name"),
        (("create", "--user", "ada", "--name", "x" * 51), "name"),
        (("create", "--user", "ada", "--name", "x", "--days", "0"), "days"),
        (("revoke", "nosuchke"), "No key"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: tuple[str, ...], sentence: str) -> None:
    AnalystFactory(username="ada")
    with pytest.raises(CommandError, match=sentence):
        run(*arguments)
    assert not ApiKey.objects.exists()


def test_the_admin_shows_a_new_key_once() -> None:
    person = AnalystFactory(is_superuser=True)
    client = Client()
    client.force_login(person)
    assert client.get("/admin/transactions/apikey/add/").status_code == 200
    response = client.post("/admin/transactions/apikey/add/", {"name": "till 7", "owner": person.pk}, follow=True)
    (key,) = ApiKey.objects.all()
    shown = next(str(message) for message in response.context["messages"] if "Copy the new key" in str(message))
    text = shown.rpartition(" ")[2]
    assert keys.find(text) == key
    page = client.get(reverse("admin:transactions_apikey_change", args=[quote(key.pk)]))
    assert text.encode() not in page.content
    assert text.encode() not in client.get("/admin/transactions/apikey/").content


def test_a_key_may_what_its_scopes_say_and_nothing_else() -> None:
    client = client_of(used_key("transactions:read", "verdicts:write"))
    assert client.get(LIST).status_code == 200
    told = problem(client.get(BASE + "anomalies/"), 403)
    assert told["detail"] == "This key lacks the scope anomalies:read."
    problem(post(client, "transactions/", "{}"), 403)
    problem(post(client, "verdicts/", "{}"), 400)


def test_a_scope_that_nobody_knows_is_refused() -> None:
    with pytest.raises(keys.NoSuchScope, match="everything"):
        keys.create(owner=AnalystFactory(), name="till", scopes=["everything"])
    assert not ApiKey.objects.exists()


def test_every_viewset_names_its_scopes_and_a_permission_for_people_who_write() -> None:
    viewsets = {pattern.callback.cls for pattern in routes_of_the_api()}
    assert len(viewsets) >= 5
    for viewset in viewsets:
        assert viewset.scopes.get("read") in scopes.READ, viewset
        writes = {"post", "put", "patch", "delete"} & methods(viewset)
        assert ("write" in viewset.scopes) == bool(writes), viewset
        if writes:
            assert viewset.scopes["write"] in scopes.WRITE, viewset
            assert viewset.write_permission, viewset


def routes_of_the_api() -> list[Any]:
    return [
        pattern
        for resolver in get_resolver().url_patterns
        if str(resolver.pattern) == "api/v1/"
        for pattern in resolver.url_patterns
    ]


def methods(viewset: Any) -> set[str]:
    """The HTTP methods that any address of the viewset takes; a plain view says them itself."""
    callbacks = [one.callback for one in routes_of_the_api() if one.callback.cls is viewset]
    return {method for one in callbacks for method in getattr(one, "actions", viewset.http_method_names)}


def test_exchanged_keys_overlap_and_then_the_old_one_ends() -> None:
    old, old_text = keys.create(
        owner=AnalystFactory(), name="till", scopes=["users:read"], rate_limit=7, expires=timezone.now() + timedelta(9)
    )
    new, new_text = keys.rotate(old.prefix, overlap=timedelta(hours=2))
    old.refresh_from_db()
    assert timedelta(hours=1) < old.expiry_date - timezone.now() < timedelta(hours=2)
    assert timedelta(8) < new.expiry_date - timezone.now() < timedelta(9)
    assert (new.owner, new.name, new.scopes, new.rate_limit) == (old.owner, "till", ["users:read"], 7)
    assert {client_of(text).get(BASE + "users/").status_code for text in (old_text, new_text)} == {200}
    keys.rotate(old.prefix, overlap=timedelta(0))
    problem(client_of(old_text).get(BASE + "users/"), 401)
    with pytest.raises(keys.NotValid):
        keys.rotate(old.prefix, overlap=timedelta(1))


def test_an_exchange_never_makes_the_old_key_last_longer() -> None:
    soon = timezone.now() + timedelta(minutes=5)
    old, _ = keys.create(owner=AnalystFactory(), name="till", expires=soon)
    keys.rotate(old.prefix, overlap=timedelta(hours=24))
    old.refresh_from_db()
    assert old.expiry_date == soon


def test_the_last_use_is_written_once_a_minute() -> None:
    key, text = keys.create(owner=AnalystFactory(), name="till")
    client = client_of(text)
    with CaptureQueriesContext(connection) as first:
        client.get(LIST)
    key.refresh_from_db()
    noted = key.last_used_at
    with CaptureQueriesContext(connection) as second:
        client.get(LIST)
    key.refresh_from_db()
    assert noted is not None
    assert key.last_used_at == noted
    assert (len(first), len(second)) == (3, 2)
    ApiKey.objects.update(last_used_at=noted - timedelta(minutes=2))
    client.get(LIST)
    key.refresh_from_db()
    assert key.last_used_at >= noted


def test_making_exchanging_and_revoking_a_key_is_in_the_audit_log() -> None:
    ada = AnalystFactory(username="ada")
    key, text = keys.create(owner=ada, name="till", by=ada)
    new, _ = keys.rotate(key.prefix, overlap=timedelta(1), by=ada)
    keys.revoke(new.prefix, by=ada)
    told = AuditEntry.objects.order_by("position").values_list("action", "subject", "actor")
    assert list(told) == [
        ("key.created", key.prefix, "ada"),
        ("key.created", new.prefix, "ada"),
        ("key.rotated", key.prefix, "ada"),
        ("key.revoked", new.prefix, "ada"),
    ]
    assert text.partition(".")[2] not in str(list(AuditEntry.objects.values()))


def test_the_command_exchanges_a_key() -> None:
    AnalystFactory(username="ada")
    text = run("create", "--user", "ada", "--name", "till", "--scope", "users:read", "--rate", "9").strip()
    new = run("rotate", text.partition(".")[0], "--hours", "0").strip()
    assert (keys.find(new).scopes, keys.find(new).rate_limit) == (["users:read"], 9)
    with pytest.raises(keys.NotValid):
        keys.find(text)
    with pytest.raises(CommandError, match="No key"):
        run("rotate", "nosuchke")


def test_the_admin_exchanges_and_revokes_keys() -> None:
    person = AnalystFactory(is_superuser=True)
    client = Client()
    client.force_login(person)
    key, _ = keys.create(owner=person, name="till", scopes=["users:read"])
    chosen = {"action": "rotate", "_selected_action": [key.pk]}
    response = client.post("/admin/transactions/apikey/", chosen, follow=True)
    shown = next(str(message) for message in response.context["messages"] if "Copy the new key" in str(message))
    new = keys.find(shown.rpartition(" ")[2])
    form = {"name": "till", "scopes": ["users:read"], "revoked": "on", "expiry_date_0": "", "expiry_date_1": ""}
    client.post(reverse("admin:transactions_apikey_change", args=[quote(new.pk)]), form)
    assert ApiKey.objects.get(pk=new.pk).revoked
    assert AuditEntry.objects.order_by("position").last().action == "key.revoked"


def test_the_keys_that_were_there_may_what_they_could() -> None:
    migration = import_module("transactions.migrations.0007_api_key_scopes")
    key, _ = keys.create(owner=AnalystFactory(), name="till", scopes=[])
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE api_keys ADD can_write boolean NOT NULL DEFAULT true")
        cursor.execute(migration.TO_SCOPES)
    key.refresh_from_db()
    assert set(key.scopes) == {*scopes.READ, "transactions:write", "verdicts:write"} - {"webhooks:read", "stream:read"}
