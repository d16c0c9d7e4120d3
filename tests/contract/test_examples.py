"""Every operation and every error has an example, true to its schema; requests are sent as they stand."""

import json
from typing import Any, NamedTuple

import pytest
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator

from anomalies.api import examples
from anomalies.api.schema import ANSWERS
from tests.api import BASE, post, writer
from tests.factories import CaseFactory


class Example(NamedTuple):
    """Of which operation and of what (`request` or a status), the media type, and what the schema says there."""

    operation: str
    method: str
    path: str
    of: str
    kind: str
    content: dict[str, Any]


def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(SchemaGenerator().get_schema(request=None, public=True)))  # type: ignore[no-untyped-call]
    return found


def shown(whole: dict[str, Any]) -> list[Example]:
    found = []
    for path, operations in whole["paths"].items():
        for method, operation in operations.items():
            bodies = {"request": operation.get("requestBody", {}), **operation["responses"]}
            for of, body in bodies.items():
                for kind, content in body.get("content", {}).items():
                    found.append(Example(operation["operationId"], method, path, of, kind, content))
    return found


def values(content: dict[str, Any], whole: dict[str, Any]) -> list[Any]:
    if "example" in content:
        return [content["example"]]
    shared = whole["components"]["examples"]
    return [
        shared[one["$ref"].rpartition("/")[2]]["value"] if "$ref" in one else one["value"]
        for one in content["examples"].values()
    ]


def test_every_json_of_every_operation_has_an_example_that_its_schema_takes() -> None:
    whole = schema()
    wrong = []
    for one in shown(whole):
        if not one.kind.endswith("json") or one.kind.endswith("ndjson"):
            continue
        if "example" not in one.content and "examples" not in one.content:
            wrong.append(f"{one.operation} {one.of}: no example")
            continue
        rules = {**one.content["schema"], "components": whole["components"]}
        validator = Draft202012Validator(rules, format_checker=Draft202012Validator.FORMAT_CHECKER)
        for value in values(one.content, whole):
            wrong += [f"{one.operation} {one.of}: {fault.message}" for fault in validator.iter_errors(value)]
    assert not wrong, "\n".join([*wrong, "Give the field a word in anomalies/api/examples.py, or a declared example."])


def test_every_status_of_an_error_has_an_example_of_its_own() -> None:
    missing = ANSWERS.keys() - examples.PROBLEMS.keys()
    assert missing == set(), "Add them to PROBLEMS in anomalies/api/examples.py."
    assert {examples.problem(status)["status"] for status in ANSWERS} == {int(status) for status in ANSWERS}


@pytest.mark.django_db
def test_the_examples_of_requests_are_understood_by_the_server() -> None:
    """What they speak of is there: the transaction of the first one, and a case."""
    client = writer()
    CaseFactory(id=examples.CASE)
    whole = schema()
    requests = [one for one in shown(whole) if one.of == "request" and one.kind == "application/json"]
    requests.sort(key=lambda one: one.operation != "transactions_create")
    assert requests[0].operation == "transactions_create"
    for one in requests:
        if one.method != "post" or "webhook" in one.path:
            continue
        known = examples.CASE if "/cases/" in one.path else examples.TRANSACTION
        path = one.path.removeprefix(BASE).replace("{id}", known)
        for value in values(one.content, whole):
            response = post(client, path, value)
            assert response.status_code < 300, (one.operation, response.content)
