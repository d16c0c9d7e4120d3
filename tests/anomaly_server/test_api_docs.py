"""docs/api.md: its examples are run as they stand, and it names every list, filter and status there is."""

import json
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from django.test import Client

from anomalies.api.schema import ANSWERS
from anomalies.api.views import AnomalyViewSet, CaseViewSet, VerdictViewSet
from tests.api import writer
from tests.factories import USER, TransactionFactory
from transactions.api.users import UserViewSet
from transactions.api.views import TransactionViewSet

DOCS = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text()
LISTS = {
    "transactions": TransactionViewSet,
    "anomalies": AnomalyViewSet,
    "cases": CaseViewSet,
    "verdicts": VerdictViewSet,
    "users": UserViewSet,
}
TRANSACTION = UUID("0190b3c4-0000-7000-8000-000000000001")


class Example(NamedTuple):
    status: int
    address: str
    body: str | None


def examples() -> list[Example]:
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", DOCS, re.DOTALL))
    return [
        example(int(status), text) for status, text in re.findall(r"^# (\d+)\n(curl .*?)(?=^#|\Z)", blocks, re.M | re.S)
    ]


def example(status: int, text: str) -> Example:
    for name, value in {"$SERVER": "", "$TRANSACTION": TRANSACTION, "$USER_ID": USER}.items():
        text = text.replace(name, str(value))
    words = shlex.split(text)
    address = next(word for word in words if word.startswith("/api/"))
    return Example(status, address, words[words.index("-d") + 1] if "-d" in words else None)


@pytest.mark.django_db
@pytest.mark.parametrize("shown", examples(), ids=lambda shown: f"{shown.status} {shown.address[:40]}")
def test_an_example_answers_what_is_written_above_it(shown: Example) -> None:
    TransactionFactory(id=TRANSACTION)
    client: Client = writer()
    if shown.body is None:
        response = client.get(shown.address, headers={"X-Request-ID": "report-4711"})
    else:
        response = client.post(shown.address, shown.body, content_type="application/json")
    assert response.status_code == shown.status
    if response.status_code == 400:
        (told,) = re.findall(r"```json\n(.*?)```", DOCS, re.DOTALL)
        assert response.json() == json.loads(told)


def test_there_are_examples_of_reading_and_writing() -> None:
    assert {one.status for one in examples()} == {200, 201, 400}
    assert len(examples()) == 12


@pytest.mark.parametrize(("name", "viewset"), LISTS.items())
def test_every_filter_and_order_of_a_list_is_named(name: str, viewset: Any) -> None:
    (row,) = re.findall(rf"^\| `{name}/` \| (.*) \|$", DOCS, re.MULTILINE)
    filters, orders = row.split(" | ") if " | " in row else ("", row)
    named = re.sub(r"\(.*?\)", "", filters)
    assert set(re.findall(r"`(\w+)`", named)) == set(viewset.filterset_class.base_filters)
    if len(viewset.listing.orderings) > 1:
        assert re.findall(r"(\w+)`", orders) == list(viewset.listing.orderings)


def test_every_status_of_an_error_is_explained() -> None:
    table = DOCS.partition("| status | when |")[2].partition("\n\n")[0]
    assert set(re.findall(r"\b[45]\d\d\b", table)) == set(ANSWERS)
