"""The schema is valid and true, and the page that shows it needs nothing from elsewhere."""

import os
import re
import shutil
import tomllib
from datetime import timedelta
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.test import Client
from jsonschema import Draft202012Validator
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from anomalies.webhooks import endpoints
from anomalies.webhooks.models import WebhookDelivery
from anomaly_server import __version__
from tests.anomaly_server.test_access import API
from tests.api import BASE, post, reader, writer
from tests.factories import START, AnomalyFactory, CaseFactory, TransactionFactory, VerdictFactory
from tests.transactions import traffic
from transactions import backlog, intake

CHROMIUM = shutil.which("chromium")
ROOT = Path(__file__).resolve().parents[2]
EXPORTED = ["text/csv", "application/x-ndjson", "application/vnd.apache.parquet"]
# Operation, the address with the ids made below, and the answer's status.
ANSWERS = [
    ("transactions_list", "transactions/?count=estimated", 200),
    ("transactions_retrieve", "transactions/{transaction}/", 200),
    ("transactions_explanation", "transactions/{transaction}/explanation/", 200),
    ("users_list", "users/", 200),
    ("users_retrieve", "users/{user}/", 200),
    ("anomalies_list", "anomalies/", 200),
    ("anomalies_retrieve", "anomalies/{transaction}/", 200),
    ("cases_list", "cases/", 200),
    ("cases_retrieve", "cases/{case}/", 200),
    ("verdicts_list", "verdicts/", 200),
    ("webhooks_list", "webhooks/", 200),
    ("webhooks_retrieve", "webhooks/{endpoint}/", 200),
    ("webhook_deliveries_list", "webhook-deliveries/", 200),
    ("webhook_deliveries_retrieve", "webhook-deliveries/{delivery}/", 200),
    ("transactions_list", "transactions/?limit=0", 400),
    ("users_retrieve", "users/{nobody}/", 404),
]
REASON = {"code": "amount_over_median", "group": "own_amount", "contribution": 3.25, "observed": 9.0, "expected": 1.0}


@pytest.fixture
def schema() -> dict[str, Any]:
    found: dict[str, Any] = reader().get("/api/schema/").json()
    return found


def operations(schema: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Each operation by its id, with its path."""
    return {
        operation["operationId"]: (path, operation)
        for path, methods in schema["paths"].items()
        for operation in methods.values()
    }


def validated(schema: dict[str, Any], operation: str, response: Any) -> None:
    answer = operations(schema)[operation][1]["responses"][str(response.status_code)]
    (content,) = (answer["content"][kind] for kind in answer["content"] if response["Content-Type"].startswith(kind))
    rules = {**content["schema"], "components": schema["components"]}
    Draft202012Validator(rules, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(response.json())


@pytest.mark.django_db
def test_the_schema_validates_without_a_warning() -> None:
    out, err = StringIO(), StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", "--format", "openapi-json", stdout=out, stderr=err)
    assert '"openapi": "3.1.0"' in out.getvalue()
    assert err.getvalue() == ""


@pytest.mark.django_db
def test_the_schema_has_every_address_of_the_api_and_our_version(schema: dict[str, Any]) -> None:
    ours = {"/" + re.sub(r"<uuid:(\w+)>", r"{\1}", route) for route in API if route.startswith("api/v1/")}
    assert set(schema["paths"]) == ours
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert schema["info"]["version"] == project["version"] == __version__


@pytest.mark.django_db
def test_every_operation_says_how_to_log_in_and_what_can_go_wrong(schema: dict[str, Any]) -> None:
    for _, operation in operations(schema).values():
        assert operation["security"] == [{"apiKey": []}, {"cookieAuth": []}]
        assert {"400", "401", "403", "500", "503"} <= operation["responses"].keys()
        assert operation["summary"]
        kinds = EXPORTED if operation["operationId"].endswith("_export") else ["application/json"]
        kinds = ["text/event-stream"] if operation["operationId"].startswith("stream") else kinds
        for status, answer in operation["responses"].items():
            if status in ("204", "304"):
                assert "content" not in answer
                continue
            assert list(answer["content"]) == (kinds if status < "400" else ["application/problem+json"])


@pytest.mark.django_db
def test_money_is_a_string_in_the_schema(schema: dict[str, Any]) -> None:
    amounts = [
        fields[name]
        for component in schema["components"]["schemas"].values()
        for fields in (component.get("properties", {}),)
        for name in fields
        if name.endswith("amount")
    ]
    assert len(amounts) >= 5
    # What is sent in may be a number too, which is read digit for digit.
    assert {amount.get("type", "either") for amount in amounts} == {"string", "either"}


@pytest.mark.django_db
@pytest.mark.parametrize(("operation", "path", "status"), ANSWERS)
def test_an_answer_is_what_the_schema_says(schema: dict[str, Any], operation: str, path: str, status: int) -> None:
    case = CaseFactory()
    values = {"amount": 9.0, "median": 1.0, "deviation": 1.0, "payments": 9.0, "ratio": 9.0, "times": 8.0}
    anomaly = AnomalyFactory(
        transaction__user_id=case.user_id,
        case=case,
        reasons=[{**REASON, "values": values}],
        reference__until=START + timedelta(days=999),
    )
    TransactionFactory(user_id=case.user_id, meta_data={}, txn_date=START)
    VerdictFactory(transaction=anomaly.transaction)
    endpoint = endpoints.create(url="https://example.com/", kinds=["case.opened"], owner=None)
    delivery = WebhookDelivery.objects.create(
        endpoint=endpoint, event_id=uuid4(), kind="case.opened", position=1, give_up_at=START
    )
    made = {"transaction": anomaly.pk, "user": case.user_id, "case": case.pk, "nobody": uuid4()}
    made |= {"endpoint": endpoint.pk, "delivery": delivery.pk}
    response = reader().get(BASE + path.format(**made))
    assert response.status_code == status
    validated(schema, operation, response)


@pytest.mark.django_db
def test_what_is_written_is_answered_as_the_schema_says(schema: dict[str, Any]) -> None:
    client = writer()
    body = {
        "user_id": str(uuid4()),
        "amount": "12.50",
        "currency": "EUR",
        "txn_date": "2024-06-01T12:00:00Z",
        "status": "completed",
    }
    created = post(client, "transactions/", body)
    sent = schema["components"]["schemas"]["NewTransactionRequest"]
    Draft202012Validator({**sent, "components": schema["components"]}).validate(body)
    validated(schema, "transactions_create", created)
    known = {**body, "id": created.json()["id"]}
    validated(schema, "transactions_create", post(client, "transactions/", known))
    validated(schema, "transactions_create", post(client, "transactions/", {**known, "amount": "1"}))
    validated(schema, "transactions_create", post(client, "transactions/", {**body, "amount": "-1"}))
    verdict = {"transaction_id": created.json()["id"], "value": "legitimate"}
    validated(schema, "verdicts_create", post(client, "verdicts/", verdict))
    hook = post(client, "webhooks/", {"url": "https://example.com/", "events": ["case.opened"]})
    validated(schema, "webhooks_create", hook)
    address = f"webhooks/{hook.json()['id']}/"
    validated(schema, "webhooks_rotate", post(client, f"{address}rotate/", {}))
    validated(schema, "webhooks_replay", post(client, f"{address}replay/", {}))


@pytest.mark.django_db
def test_a_score_is_answered_as_the_schema_says(schema: dict[str, Any]) -> None:
    rows = traffic.rows(3000)
    intake.take(rows, score=False)
    backlog.score_pending()
    body = {
        "id": str(uuid4()),
        "user_id": str(rows[0].user_id),
        "amount": "9000.00",
        "currency": "EUR",
        "txn_date": (traffic.START + timedelta(days=40, hours=1)).isoformat(),
        "status": "completed",
    }
    client = writer()
    created = post(client, "transactions/", body)
    assert created.json()["level"] in ("medium", "high")
    validated(schema, "transactions_create", created)
    explanation = client.get(f"{BASE}transactions/{body['id']}/explanation/")
    assert explanation.json()["reasons"]
    validated(schema, "transactions_explanation", explanation)


class Links(HTMLParser):
    """What a page loads, and what it says within itself."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.loaded += [named[name] or "" for name in ("src", "href") if name in named]
        if tag == "style" or (tag == "script" and "src" not in named) or "style" in named:
            self.inline.append(tag)


@pytest.mark.django_db
def test_the_docs_page_loads_only_from_us_and_runs_under_the_strict_policy() -> None:
    client = reader()
    page = client.get("/api/docs/")
    assert "unsafe" not in page["Content-Security-Policy"]
    links = Links()
    links.feed(page.content.decode())
    assert len(links.loaded) == 6
    assert links.inline == []
    for address in links.loaded:
        assert address.startswith(("/static/", "/api/docs/"))
        found = client.get(address)
        assert found.status_code == 200
        body = found.getvalue()
        if address.endswith(".css"):
            assert not re.search(rb"url\(\s*['\"]?(https?:)?//|@import", body)
    # The badge of an online validator is shown on any host but this one, so the browser would not tell.
    assert b'"validatorUrl": null' in client.get("/api/docs/?script=").content


@pytest.mark.browser
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="there is no Chromium here")
def test_the_docs_page_works_in_a_browser_that_reaches_nobody_else(live_server: LiveServer, settings: Settings) -> None:
    from playwright.sync_api import sync_playwright

    settings.PUBLIC_DOCS = True
    asked, complaints = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{live_server.url}/api/docs/")
        page.wait_for_selector("#operations-transactions-transactions_create", timeout=120_000)
        page.click("#operations-transactions-transactions_create button.opblock-summary-control")
        page.wait_for_selector("text=urn:anomaly-server:problem:invalid", timeout=120_000)
        browser.close()
    assert complaints == []
    assert all(address.startswith((live_server.url, "data:")) for address in asked)


@pytest.mark.django_db
def test_other_methods_on_the_docs_page_are_problems_too() -> None:
    response = reader().post("/api/docs/")
    assert (response.status_code, response["Content-Type"]) == (405, "application/problem+json")
    assert Client().get("/api/docs/").status_code == 302
