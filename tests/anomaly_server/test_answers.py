"""What is asked often is written at once, and answered in the very words of what DRF writes later."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import resolve
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from anomalies.api import base, paging
from anomalies.api.rendering import Answer
from tests.api import BASE, post, reader, used_key, writer
from tests.factories import TransactionFactory
from tests.transactions.test_create_guarded import body
from transactions import scopes
from transactions.api import views

pytestmark = pytest.mark.django_db
OWN = ("X-Request-ID", "RateLimit", "Location")


def told(response: Any) -> tuple[int, dict[str, str], bytes]:
    return response.status_code, {k: v for k, v in response.headers.items() if k not in OWN}, response.content


@pytest.mark.parametrize("path", ["transactions/", "transactions/?limit=1&fields=id", "transactions/{id}/", "cases/"])
def test_a_page_and_a_row_are(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client, at = reader(), BASE + path.format(id=TransactionFactory().id)
    TransactionFactory()
    found = client.get(at)
    assert isinstance(found, Answer)
    for module in (base, paging):
        monkeypatch.setattr(module, "Answer", Response)
    assert told(found) == told(client.get(at))


def test_a_stored_row_is(monkeypatch: pytest.MonkeyPatch) -> None:
    client, sent = writer(), body()
    assert post(client, "transactions/", sent)["Location"] == f"http://testserver{BASE}transactions/{sent['id']}/"
    again = post(client, "transactions/", sent)
    assert isinstance(again, Answer)
    monkeypatch.setattr(views, "Answer", Response)
    assert told(again) == told(post(client, "transactions/", sent))


def test_it_may_be_asked_to_write_itself_again() -> None:
    answer = Answer({"a": 1}, status=201, headers={"ETag": "x"})
    assert answer.render() is answer
    assert (answer.status_code, answer.content, answer["ETag"]) == (201, b'{"a":1}', "x")
    assert answer["Content-Type"] == "application/json"


@pytest.fixture
def left() -> Iterator[list[object]]:
    """All that only the collector of garbage would free, when it is called."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    yield gc.garbage
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


@pytest.mark.parametrize("path", ["transactions/", "transactions/{id}/", "cases/"])
def test_nothing_of_an_answer_waits_for_the_collector_of_garbage(path: str, left: list[object]) -> None:
    """Rows that wait for it cost a page a third of its time: the memory of each page is another one."""
    at = BASE + path.format(id=TransactionFactory().id)
    headers: Any = {"Authorization": f"Bearer {used_key(*scopes.READ)}"}
    view, _, named = resolve(at.partition("?")[0])
    for _ in range(2):  # The first time, much is imported.
        gc.collect()
        left.clear()
        view(RequestFactory().get(at, headers=headers), **named).render()
    gc.collect()
    kinds = (APIView, Request, HttpRequest, HttpResponse)
    assert [one for one in left if isinstance(one, kinds)] == []
