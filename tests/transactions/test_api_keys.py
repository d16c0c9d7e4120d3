"""API keys: shown once, kept as a hash, and of no use once revoked, expired or orphaned."""

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.hashers import identify_hasher
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.api import BASE, client_of, post, problem
from tests.factories import AnalystFactory
from transactions import keys
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
    _, text = keys.create(owner=person, name="till", can_write=True)
    strict = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {text}"})
    problem(post(strict, "transactions/", "{}"), 400)


def test_a_keys_rights_are_its_own_not_its_owners() -> None:
    _, text = keys.create(owner=AnalystFactory(is_superuser=True), name="reads")
    problem(post(client_of(text), "transactions/", "{}"), 403)


def test_the_command_makes_lists_and_revokes_keys() -> None:
    AnalystFactory(username="ada")
    text = run("create", "--user", "ada", "--name", "till 7", "--write").strip().splitlines()[-1]
    assert keys.find(text).can_write
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
