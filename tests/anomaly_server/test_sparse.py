"""`fields` of any list, and the tags of single things: less to send, and nothing where nothing changed."""

from typing import Any

import pytest
from django.test import Client

from tests.anomaly_server.test_declared import VIEWSETS, client
from tests.api import BASE, faults, results
from transactions.models import Transaction

__all__ = ["client"]
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", VIEWSETS)
def test_every_field_can_be_asked_for_and_nothing_else(client: Client, name: str) -> None:
    fields = list(VIEWSETS[name].serializer_class().fields)
    whole = results(client, f"{name}/")
    assert whole
    assert results(client, f"{name}/", fields=",".join(fields)) == whole
    for field in fields:
        assert results(client, f"{name}/", fields=field) == [{field: row[field]} for row in whole]


@pytest.mark.parametrize("text", ["", "colour", "id,", "id,id", "id, amount", "id,features"])
def test_a_field_that_is_not_there_is_refused(client: Client, text: str) -> None:
    assert faults(client.get(BASE + "transactions/", {"fields": text})) == [("fields", "invalid")]


def test_the_fields_come_in_the_order_asked_for_and_go_with_the_cursor(client: Client) -> None:
    first = client.get(BASE + "transactions/", {"fields": "amount,id", "limit": 1}).json()
    assert [list(row) for row in first["results"]] == [["amount", "id"]]
    second = client.get(first["next"]).json()
    assert [list(row) for row in second["results"]] == [["amount", "id"]]
    widened = client.get(first["next"].replace("amount%2Cid", "status")).json()
    assert [list(row) for row in widened["results"]] == [["status"]]


def details() -> list[str]:
    return ["transactions/{row}/", "anomalies/{row}/", "cases/00000000-0000-0000-0000-000000000063/", "users/{user}/"]


@pytest.mark.parametrize("path", details())
def test_what_has_not_changed_is_not_sent_again(client: Client, path: str) -> None:
    row = Transaction.objects.filter(anomaly__isnull=False).first()
    assert row is not None
    address = BASE + path.format(row=row.pk, user=row.user_id)
    whole = client.get(address)
    tag = whole["ETag"]
    assert whole.status_code == 200
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again: Any = client.get(address, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", tag)
    changed = client.get(address, headers={"If-None-Match": '"other"'})
    assert (changed.status_code, changed.json()) == (200, whole.json())
