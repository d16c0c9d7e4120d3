"""What the log says of a request: one line with its id, and nothing that names a person."""

from typing import Any
from uuid import UUID

import pytest
import structlog
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from structlog.testing import LogCapture

from anomaly_server.request_log import RequestLog
from tests.api import BASE, client_of, problem, used_key

pytestmark = pytest.mark.django_db
PERSON = "0b0c4c1e-8a55-4d0e-9d0a-5d2f6c1f7a11"


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture) -> Any:
    """The events that were logged, as the last processor gets them."""

    def events() -> list[dict[str, Any]]:
        return [record.msg for record in caplog.records if isinstance(record.msg, dict)]

    caplog.set_level("INFO", logger="anomaly_server.request_log")
    return events


def test_a_request_is_one_line_without_addresses_and_values(heard: Any, caplog: pytest.LogCaptureFixture) -> None:
    key = used_key("transactions:read")
    response = client_of(key).get(f"{BASE}transactions/", {"user_id": PERSON})
    (event,) = heard()
    assert UUID(event["request_id"]).version == 7
    assert event["request_id"] == response["X-Request-ID"]
    assert 0 <= event.pop("ms") < 10_000
    told = {name: event[name] for name in ("event", "method", "route", "status", "key")}
    assert told == {
        "event": "request",
        "method": "GET",
        "route": "api/v1/transactions/",
        "status": 200,
        "key": key.partition(".")[0],
    }
    assert PERSON not in caplog.text
    assert key.partition(".")[2] not in caplog.text


def test_a_refused_request_is_one_line_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    Client().get(f"{BASE}transactions/", {"user_id": PERSON})
    assert [record.name for record in caplog.records] == ["anomaly_server.request_log"]
    assert PERSON not in caplog.text


def test_a_sane_id_of_the_callers_is_kept_and_any_other_is_not() -> None:
    for given in ("till-7.4711", "a" * 64, "0190B3C4:1"):
        response = Client().get(f"{BASE}x/", headers={"X-Request-ID": given})
        assert problem(response, 401)["request_id"] == response["X-Request-ID"] == given
    for given in ("", "a" * 65, "a b", 'a"b', "é", "-x", "a\tb"):
        response = Client().get(f"{BASE}x/", headers={"X-Request-ID": given})
        assert UUID(response["X-Request-ID"]).version == 7


def test_every_line_of_a_request_tells_its_id_and_none_of_the_next_one_does() -> None:
    capture = LogCapture()
    log = structlog.wrap_logger(None, processors=[structlog.contextvars.merge_contextvars, capture])

    def view(_request: HttpRequest) -> HttpResponse:
        log.info("within")
        return HttpResponse()

    response = RequestLog(view)(RequestFactory().get("/"))
    log.info("after")
    within, after = capture.entries
    assert within["request_id"] == response["X-Request-ID"]
    assert "request_id" not in after
