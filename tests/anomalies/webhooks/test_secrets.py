"""Secrets at rest: nobody who reads the database has them, and SECRET_KEY can be changed."""

import json
from importlib import import_module
from io import StringIO
from typing import Any

import pytest
from django.conf import settings as current
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from pytest_django.fixtures import Settings
from standardwebhooks import WebhookVerificationError

from anomalies import sealing
from anomalies.webhooks import endpoints
from anomalies.webhooks.models import WebhookDelivery, WebhookEndpoint
from tests.anomalies.receivers import Receiver
from tests.anomalies.webhooks.telling import endpoint, later, send, states, tell
from tests.api import BASE, writer
from tests.factories import AnalystFactory

pytestmark = pytest.mark.django_db
MIGRATION = "0014_sealed_webhook_secrets"
OTHER = "another-secret-key-" + "y" * 40


def change_key(settings: Settings, *, keeps_old: bool) -> None:
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY] if keeps_old else []
    settings.SECRET_KEY = OTHER


def everything_stored() -> str:
    """All rows of all tables, as a dump has them."""
    rows = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" AS t')  # noqa: S608
            rows += cursor.fetchall()
        # Bytes are in hexadecimal there.
        cursor.execute("SELECT encode(answer, 'escape') FROM api_idempotency")
        rows += cursor.fetchall()
    return str(rows)


def test_no_table_has_a_secret(shop: Receiver) -> None:
    one = endpoint(shop.url)
    new = endpoints.rotate(one, by=None)
    tell(1)
    send()
    stored = everything_stored()
    assert str(one.pk) in stored
    for secret in (one.secret, new.secret):
        assert secret not in stored
        assert secret.removeprefix("whsec_")[:20] not in stored


def test_not_even_an_answer_that_is_kept_for_repetitions_and_it_is_repeated_byte_for_byte(shop: Receiver) -> None:
    client = writer()

    def make() -> Any:
        return client.post(
            f"{BASE}webhooks/",
            json.dumps({"url": shop.url, "events": ["case.opened"]}),
            content_type="application/json",
            headers={"Idempotency-Key": "make-it-once"},
        )

    first, again = make(), make()
    secret = first.json()["secret"]
    assert (first.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.content == first.content
    assert WebhookEndpoint.objects.get().secret == secret
    assert secret not in everything_stored()


def test_a_kept_answer_that_nobody_can_open_is_refused_and_not_made_anew(shop: Receiver, settings: Settings) -> None:
    client = writer()
    body = json.dumps({"url": shop.url, "events": ["case.opened"]})
    more: Any = {"content_type": "application/json", "headers": {"Idempotency-Key": "make-it-once"}}
    assert client.post(f"{BASE}webhooks/", body, **more).status_code == 201
    change_key(settings, keeps_old=False)
    refused = client.post(f"{BASE}webhooks/", body, **more)
    assert refused.status_code == 422
    assert "SECRET_KEY_FALLBACKS" in refused.json()["detail"]
    assert WebhookEndpoint.objects.count() == 1


def test_sealed_twice_it_is_not_the_same_and_a_changed_one_is_not_opened() -> None:
    first, second = sealing.seal("whsec_A"), sealing.seal("whsec_A")
    assert first != second
    assert sealing.opened(first) == sealing.opened(second) == "whsec_A"
    with pytest.raises(sealing.SealError):
        sealing.opened(first[:-6] + ("A" if first[-6] != "A" else "B") + first[-5:])
    with pytest.raises(sealing.SealError):
        sealing.opened("whsec_A")


def test_after_a_change_of_the_key_messages_are_signed_as_before(shop: Receiver, settings: Settings) -> None:
    one = endpoint(shop.url)
    secret = one.secret
    change_key(settings, keeps_old=True)
    tell(1)
    send()
    assert shop.taken[0].verified(secret)


def test_sealed_anew_the_old_key_is_not_needed_any_more(shop: Receiver, settings: Settings) -> None:
    first, second = endpoint(shop.url), endpoint(shop.url)
    old, secrets = second.secret, {first.pk: first.secret, second.pk: endpoints.rotate(second, by=None).secret}
    change_key(settings, keeps_old=True)
    out = StringIO()
    call_command("reseal", stdout=out)
    assert out.getvalue() == "Sealed anew: 3.\n"
    settings.SECRET_KEY_FALLBACKS = []
    assert {one.pk: one.secret for one in WebhookEndpoint.objects.all()} == secrets
    call_command("reseal", stdout=out)
    assert out.getvalue().endswith("Sealed anew: 0.\n")
    tell(1)
    send()
    (both,) = (taken for taken in shop.taken if taken.headers["Webhook-Signature"].count("v1,") == 2)
    assert both.verified(old) == both.verified(secrets[second.pk])


def test_what_cannot_be_opened_is_told_and_costs_nobody_else(shop: Receiver, settings: Settings) -> None:
    lost = endpoint(shop.url + "lost")
    change_key(settings, keeps_old=False)
    fine = endpoint(shop.url + "fine")
    with pytest.raises(CommandError, match=str(lost.pk)) as fault:
        call_command("reseal", stdout=StringIO())
    assert str(fine.pk) not in str(fault.value)
    tell(1)
    send()
    assert [taken.path for taken in shop.taken] == ["/fine"]
    failed = WebhookDelivery.objects.get(endpoint=lost)
    assert (failed.state, failed.status) == ("waiting", None)
    assert failed.error.startswith("It cannot be signed. It was sealed with a SECRET_KEY that is neither")
    assert "SECRET_KEY" in endpoints.test(lost, by=None).error


def test_a_new_secret_mends_it(shop: Receiver, settings: Settings) -> None:
    lost = endpoint(shop.url)
    change_key(settings, keeps_old=False)
    tell(1)
    send()
    new = endpoints.rotate(lost, by=None)
    later(minutes=1)
    send()
    assert states() == ["delivered"]
    assert shop.taken[0].verified(new.secret)
    with pytest.raises(WebhookVerificationError):
        shop.taken[0].verified("whsec_" + "A" * 43)


def test_the_admin_shows_that_a_secret_is_lost(shop: Receiver, settings: Settings, client: Any) -> None:
    lost = endpoint(shop.url)
    change_key(settings, keeps_old=False)
    client.force_login(AnalystFactory(is_superuser=True))
    page = client.get(f"/admin/anomalies/webhookendpoint/{lost.pk}/change/")
    assert page.status_code == 200
    assert "It is lost." in page.content.decode()
    assert client.get("/admin/anomalies/webhookendpoint/").status_code == 200


class TestMigration:
    def test_it_seals_what_is_there_as_the_application_does_and_opens_it_again(self) -> None:
        one, two = (WebhookEndpoint.objects.create(url="https://x.org/", kinds=[], sealed_secret="") for _ in range(2))
        loader = MigrationLoader(connection)
        migration = loader.get_migration("anomalies", MIGRATION)
        before = loader.project_state(("anomalies", "0013_webhook_waiting"), at_end=True)
        WebhookEndpoint.objects.filter(pk=one.pk).update(
            sealed_secret=sealing.seal("whsec_new"), sealed_old_secret=sealing.seal("whsec_old")
        )
        WebhookEndpoint.objects.filter(pk=two.pk).update(sealed_secret=sealing.seal("whsec_two"))
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with connection.schema_editor() as editor:
            migration.unapply(before.clone(), editor)
        with connection.cursor() as cursor:
            cursor.execute("SELECT secret, old_secret FROM webhook_endpoints ORDER BY secret")
            assert cursor.fetchall() == [("whsec_new", "whsec_old"), ("whsec_two", "")]
        with connection.schema_editor() as editor:
            migration.apply(before.clone(), editor)
        assert {one.secret for one in WebhookEndpoint.objects.all()} == {"whsec_new", "whsec_two"}
        old = WebhookEndpoint.objects.get(pk=one.pk).sealed_old_secret
        assert sealing.opened(old) == "whsec_old"
        assert WebhookEndpoint.objects.get(pk=two.pk).sealed_old_secret == ""

    def test_its_key_is_the_application_s_also_of_a_fallback(self, settings: Settings) -> None:
        keys = import_module(f"anomalies.migrations.{MIGRATION}").keys
        sealed = keys().encrypt(b"whsec_A").decode()
        assert sealing.opened(sealed) == "whsec_A"
        assert sealing.is_of_present_key(sealed)
        change_key(settings, keeps_old=True)
        assert keys().decrypt(sealed) == b"whsec_A"
        assert current.SECRET_KEY == OTHER
