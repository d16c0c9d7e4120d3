"""What clients of the released API rely on is still there. docs/compatibility.md says what that is."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from tests.contract.compatibility import breaches

RELEASED: dict[str, Any] = json.loads((Path(__file__).resolve().parents[2] / "docs" / "openapi-1.json").read_text())
LISTING = "/api/v1/transactions/"
ADVICE = (
    "Clients of version 1 rely on it: keep it, and declare it deprecated (anomalies/api/deprecation.py) if it is to "
    "go. If nobody can rely on it yet, `make schema` writes the released schema anew; docs/compatibility.md."
)


def present() -> dict[str, Any]:
    schema: Any = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    found: dict[str, Any] = json.loads(json.dumps(schema))
    return found


def test_nothing_that_was_released_is_broken() -> None:
    """Additions pass; `make schema` takes them into the released schema with the next release."""
    found = breaches(RELEASED, present())
    assert not found, "\n".join([*found, ADVICE])


def drop_operation(schema: dict[str, Any]) -> None:
    del schema["paths"][LISTING]["post"]


def drop_parameter(schema: dict[str, Any]) -> None:
    operation = schema["paths"][LISTING]["get"]
    operation["parameters"] = [one for one in operation["parameters"] if one.get("name") != "merchant_id"]


def need_parameter(schema: dict[str, Any]) -> None:
    for one in schema["paths"][LISTING]["get"]["parameters"]:
        one["required"] = one.get("name") == "user_id"


def need_new_field(schema: dict[str, Any]) -> None:
    sent = schema["components"]["schemas"]["NewTransactionRequest"]
    sent["properties"]["channel"] = {"type": "string"}
    sent["required"].append("channel")


def drop_field_of_request(schema: dict[str, Any]) -> None:
    del schema["components"]["schemas"]["NewTransactionRequest"]["properties"]["meta_data"]


def drop_value_of_request(schema: dict[str, Any]) -> None:
    schema["components"]["schemas"]["VerdictEnum"]["enum"].remove("unsure")


def drop_field_of_answer(schema: dict[str, Any]) -> None:
    del schema["components"]["schemas"]["Transaction"]["properties"]["received_at"]


def change_type_of_answer(schema: dict[str, Any]) -> None:
    schema["components"]["schemas"]["Transaction"]["properties"]["amount"] = {"type": "number"}


BREAKING: dict[Callable[[dict[str, Any]], None], str] = {
    drop_operation: "POST /api/v1/transactions/: the operation is gone",
    drop_parameter: "GET /api/v1/transactions/: the parameter query merchant_id is gone",
    need_parameter: "GET /api/v1/transactions/: the parameter query user_id is required now",
    need_new_field: "POST /api/v1/transactions/: the request's field /channel is new and required",
    drop_field_of_request: "POST /api/v1/transactions/: the request's field /meta_data is gone",
    drop_value_of_request: "POST /api/v1/verdicts/: the request's field /value may not be unsure any more",
    drop_field_of_answer: "GET /api/v1/transactions/{id}/: the answer's field /received_at is gone",
    change_type_of_answer: "GET /api/v1/transactions/{id}/: the answer's field /amount may be number now",
}


@pytest.mark.parametrize(("change", "sentence"), BREAKING.items(), ids=lambda one: getattr(one, "__name__", ""))
def test_a_breaking_change_is_told(change: Callable[[dict[str, Any]], None], sentence: str) -> None:
    changed = copy.deepcopy(RELEASED)
    change(changed)
    assert sentence in breaches(RELEASED, changed)


def test_additions_pass() -> None:
    more = copy.deepcopy(RELEASED)
    more["paths"]["/api/v1/new/"] = more["paths"][LISTING]
    more["components"]["schemas"]["Transaction"]["properties"]["channel"] = {"type": "string"}
    more["components"]["schemas"]["NewTransactionRequest"]["properties"]["channel"] = {"type": "string"}
    more["components"]["schemas"]["VerdictEnum"]["enum"].append("duplicate")
    more["paths"][LISTING]["get"]["parameters"].append({"in": "query", "name": "new", "schema": {"type": "string"}})
    assert breaches(RELEASED, more) == []
