"""Whatever goes wrong below /api/ is told as a problem document, and nothing of ours leaks."""

from typing import Any
from uuid import UUID

import pytest
from django.db import DataError, IntegrityError, OperationalError
from django.test import Client
from pytest_django.fixtures import Settings

from anomalies.api import problems
from anomalies.api.listing import Listing
from tests.api import BASE, client_of, faults, post, problem, reader, writer
from tests.factories import AnalystFactory
from transactions import keys

pytestmark = pytest.mark.django_db
LIST = BASE + "transactions/"


@pytest.mark.parametrize(
    "path",
    [
        "/api/",
        "/api/v2/transactions/",
        BASE,
        BASE + "nothing/",
        BASE + "transactions/7/",
        BASE + "transactions/not-a-uuid/",
        BASE + "transactions/" + "9" * 2000 + "/",
        BASE + "transactions/%00/",
        BASE + "transactions/%FF/",
        BASE + "users/x/",
        f"{BASE}cases/{UUID(int=1)}/shut/",
    ],
)
def test_an_unknown_address_is_a_404(path: str) -> None:
    assert problem(reader().get(path), 404)["type"].endswith(":not_found")


def test_an_address_without_its_slash_is_a_404_that_says_so_and_never_a_redirect() -> None:
    """A redirected POST would come back as a GET and look like success."""
    for method in ("get", "post"):
        assert "end with a slash" in problem(getattr(writer(), method)(LIST[:-1]), 404)["detail"]


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
def test_a_method_that_is_not_taken_is_a_405(method: str) -> None:
    response = getattr(writer(), method)(LIST)
    problem(response, 405)
    assert response["Allow"] == "GET, POST, HEAD"


def test_an_answer_that_is_not_accepted_is_a_406() -> None:
    client = reader()
    problem(client.get(LIST, headers={"Accept": "text/html"}), 406)
    assert client.get(LIST, headers={"Accept": "text/html, */*;q=0.1"}).status_code == 200


def fail(monkeypatch: pytest.MonkeyPatch, error: Exception) -> Any:
    """What a list answers when reading it raises `error`."""

    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(Listing, "fetch", broken)
    return reader().get(LIST)


@pytest.mark.parametrize("debug", [False, True])
def test_an_unforeseen_error_is_a_500_that_leaks_nothing(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, debug: bool
) -> None:
    settings.DEBUG = debug
    response = fail(monkeypatch, RuntimeError("password=hunter2"))
    assert problem(response, 500)["detail"] == "Something went wrong on our side."
    assert b"hunter2" not in response.content


def test_a_database_that_is_away_is_a_503_with_a_time_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    response = fail(monkeypatch, OperationalError("connection to 10.0.0.7 refused"))
    assert problem(response, 503)["type"].endswith(":unavailable")
    assert int(response["Retry-After"]) > 0
    assert b"10.0.0.7" not in response.content


@pytest.mark.parametrize("error", [DataError("value out of range"), IntegrityError("duplicate key")])
def test_what_the_database_refuses_is_a_400(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    problem(fail(monkeypatch, error), 400)


def test_a_broken_constraint_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the law for a row, the database still forbids the lie."""
    from transactions.models import Transaction

    def lie(*_: object) -> None:
        Transaction.objects.create(
            user_id=UUID(int=1), amount="-1", currency="EUR", txn_date="2024-06-01T12:00:00Z", status="completed"
        )

    monkeypatch.setattr("transactions.intake.take_one", lie)
    body = (
        '{"user_id": "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b", "amount": "1", "currency": "EUR",'
        ' "txn_date": "2024-06-01T12:00:00Z", "status": "completed"}'
    )
    assert faults(post(writer(), "transactions/", body)) == [("", "amount_is_finite_and_not_negative")]


def test_a_host_that_is_not_ours_is_a_400() -> None:
    _, text = keys.create(owner=AnalystFactory(), name="till")
    problem(client_of(text).get(LIST, headers={"Host": "evil.example"}), 400)


def test_errors_outside_the_api_stay_pages() -> None:
    response = Client().get("/nothing/")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("handler", "arguments", "status"),
    [
        (problems.bad_request, (ValueError(),), 400),
        (problems.permission_denied, (ValueError(),), 403),
        (problems.not_found, (ValueError(),), 404),
        (problems.server_error, (), 500),
    ],
)
def test_errors_before_any_view_speak_the_language_of_the_address(
    rf: Any, handler: Any, arguments: tuple[Any, ...], status: int
) -> None:
    told = handler(rf.get("/api/v1/transactions/"), *arguments)
    assert (told.status_code, told["Content-Type"]) == (status, "application/problem+json")
    shown = handler(rf.get("/elsewhere/"), *arguments)
    assert (shown.status_code, shown["Content-Type"].split(";")[0]) == (status, "text/html")


def test_a_pointer_is_escaped_as_rfc_6901_says() -> None:
    assert [problems.pointer(field) for field in ("", "amount", "a/b", "a~1")] == ["", "/amount", "/a~1b", "/a~01"]
