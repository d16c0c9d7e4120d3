"""What of a released schema another one breaks, as docs/compatibility.md says; small, because only ours is compared.

A body is laid out flat: each field's place, such as `/reasons/*/code`, with its types, its enumeration, and whether it
must be there. Then requests may only take more, and answers may only give more.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

METHODS = ("get", "post", "put", "patch", "delete")
DEEPEST = 8


@dataclass(frozen=True)
class Field:
    types: frozenset[str]
    values: frozenset[str] | None
    required: bool


def breaches(released: dict[str, Any], present: dict[str, Any]) -> list[str]:
    """One sentence for each thing that a client of the released schema relies on and the present one lacks."""
    new = {name: (present, one) for name, one in operations(present)}
    found: list[str] = []
    for name, old in operations(released):
        if name not in new:
            found.append(f"{name}: the operation is gone")
            continue
        found += [f"{name}: {said}" for said in _operation(released, old, *new[name])]
    return found


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in schema["paths"].items():
        for method in METHODS:
            if method in methods:
                yield f"{method.upper()} {path}", methods[method]


def _operation(
    before: dict[str, Any], old: dict[str, Any], after: dict[str, Any], new: dict[str, Any]
) -> Iterator[str]:
    if old["operationId"] != new["operationId"]:
        yield f"its operationId was {old['operationId']}"
    yield from _taken(_parameters(before, old), _parameters(after, new), "the parameter")
    if "requestBody" in new and new["requestBody"].get("required") and "requestBody" not in old:
        yield "it needs a body now"
    for kind, content in old.get("requestBody", {}).get("content", {}).items():
        if kind not in new.get("requestBody", {}).get("content", {}):
            yield f"it takes no {kind} any more"
            continue
        further = new["requestBody"]["content"][kind]
        yield from _taken(
            laid_out(before, content["schema"]), laid_out(after, further["schema"]), "the request's field"
        )
    for status, answer in old["responses"].items():
        if status >= "300":
            continue
        for kind, content in answer.get("content", {}).items():
            given = new["responses"].get(status, {}).get("content", {}).get(kind)
            if given is None:
                yield f"it does not answer {status} with {kind} any more"
                continue
            yield from _given(laid_out(before, content["schema"]), laid_out(after, given["schema"]))


def _taken(old: dict[str, Field], new: dict[str, Field], what: str) -> Iterator[str]:
    """Requests may take more, never less, and nothing more may be needed."""
    for place, was in old.items():
        now = new.get(place)
        if now is None:
            yield f"{what} {place} is gone"
            continue
        if now.required and not was.required:
            yield f"{what} {place} is required now"
        if lost := sorted(was.types - now.types):
            yield f"{what} {place} may not be {', '.join(lost)} any more"
        if now.values is not None and (was.values is None or was.values - now.values):
            lost = sorted((was.values or frozenset(["any text"])) - now.values)
            yield f"{what} {place} may not be {', '.join(lost)} any more"
    for place in new.keys() - old.keys():
        parent = place.rpartition("/")[0]
        if new[place].required and (parent in old or not parent):
            yield f"{what} {place} is new and required"


def _given(old: dict[str, Field], new: dict[str, Field]) -> Iterator[str]:
    """Answers may give more, never less, and of no other type."""
    for place, was in old.items():
        now = new.get(place)
        if now is None:
            yield f"the answer's field {place} is gone"
            continue
        if was.required and not now.required:
            yield f"the answer's field {place} may be absent now"
        if more := sorted(now.types - was.types):
            yield f"the answer's field {place} may be {', '.join(more)} now"


def _parameters(schema: dict[str, Any], operation: dict[str, Any]) -> dict[str, Field]:
    found = {}
    for one in operation.get("parameters", ()):
        parameter = _resolved(schema, one)
        types, values = _kinds(schema, parameter["schema"])
        found[f"{parameter['in']} {parameter['name']}"] = Field(types, values, parameter.get("required", False))
    return found


def laid_out(schema: dict[str, Any], body: dict[str, Any]) -> dict[str, Field]:
    return dict(_fields(schema, body, "", required=True, depth=0))


def _fields(
    schema: dict[str, Any], one: dict[str, Any], place: str, *, required: bool, depth: int
) -> Iterator[tuple[str, Field]]:
    types, values = _kinds(schema, one)
    yield place, Field(types, values, required)
    if depth == DEEPEST:
        return
    # Of several shapes, the first is the whole one.
    for shape in _shapes(schema, one)[:1]:
        for name, inner in shape.get("properties", {}).items():
            needed = name in shape.get("required", ())
            yield from _fields(schema, inner, f"{place}/{name}", required=needed, depth=depth + 1)
        if "items" in shape:
            yield from _fields(schema, shape["items"], f"{place}/*", required=False, depth=depth + 1)


def _shapes(schema: dict[str, Any], one: dict[str, Any]) -> list[dict[str, Any]]:
    """The alternatives of a schema, its references followed."""
    one = _resolved(schema, one)
    several = one.get("anyOf") or one.get("oneOf") or one.get("allOf")
    return [shape for part in several for shape in _shapes(schema, part)] if several else [one]


def _kinds(schema: dict[str, Any], one: dict[str, Any]) -> tuple[frozenset[str], frozenset[str] | None]:
    """The types, and the values if only some are."""
    types: set[str] = set()
    values: set[str] | None = set()
    for shape in _shapes(schema, one):
        kind = shape.get("type", "any")
        types |= {kind} if isinstance(kind, str) else set(kind)
        if kind == "null":
            continue
        values = None if values is None or "enum" not in shape else values | {str(value) for value in shape["enum"]}
    return frozenset(types), None if values is None else frozenset(values)


def _resolved(schema: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in one:
        found: Any = schema
        for name in one["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        one = found
    return one
