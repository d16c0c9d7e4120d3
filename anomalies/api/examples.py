"""An example of every request, answer and error, made from the schema itself; a hook of drf-spectacular.

What a field is called or declared to be says what its example is, so a new operation has its examples without more.
Those that a view declares for itself stay.
"""

from typing import Any

from anomalies.api.problems import Error, document

TRANSACTION = "0190b3c4-8a55-7d0e-9d0a-5d2f6c1f7a11"
USER = "0b0c4c1e-8a55-4d0e-9d0a-5d2f6c1f7a11"
CASE = "01937a52-61c4-7a30-8b52-1f0d6c9e2b44"
TIME = "2026-01-31T08:30:00Z"
# By the name of the field; used where the schema takes it.
WORDS: dict[str, Any] = {
    "amount": "249.90",
    "anomaly_count": 1,
    "assignee": "ana",
    "author": "ana",
    "case_id": CASE,
    "count_is_exact": True,
    "currency": "EUR",
    "detail": "The user has too few payments to compare with.",
    "every_s": 93_600.0,
    "from_hour": 8,
    "high_amount": "84.10",
    "largest_amount": "249.90",
    "level": "medium",
    "merchant_id": "shop-7",
    "meta_data": {"merchant_id": "shop-7"},
    "next": None,
    "note": "claim 4711",
    "open_case_id": CASE,
    "outcome": "fraud",
    "payments": 48,
    "previous": None,
    "priority": 72.5,
    "rarity": 4216.9,
    "raw": 3.25,
    "score": 72.5,
    "sentence": "249.90 EUR is 9.0 times this user's median of 27.80 over the last 50 payments.",
    "source": "chargeback",
    "status": "completed",
    "to_hour": 20,
    "transaction_id": TRANSACTION,
    "typical_amount": "27.80",
    "url": "https://receiver.example.com/hook",
    "user_id": USER,
}
FORMATS = {"uuid": TRANSACTION, "date-time": TIME, "date": "2026-01-31", "uri": "https://example.com/", "binary": ""}
PLAIN: dict[str, Any] = {"integer": 1, "number": 1.0, "boolean": True, "null": None, "object": {}, "string": "text"}
# By status: the stable code, the sentence, and a fault where faults are named.
PROBLEMS: dict[str, tuple[str, str, tuple[Error, ...]]] = {
    "400": ("invalid", "The request has errors.", (Error("/amount", "negative", "'-1' is below zero."),)),
    "401": ("not_authenticated", "Authentication credentials were not provided.", ()),
    "403": ("permission_denied", "This key lacks the scope transactions:write.", ()),
    "404": ("not_found", "There is no such transaction.", ()),
    "405": ("method_not_allowed", 'Method "PUT" not allowed.', ()),
    "406": ("not_acceptable", "Could not satisfy the request Accept header.", ()),
    "409": (
        "conflict",
        "Another transaction is stored under this id.",
        (Error("/amount", "conflict", "The stored transaction has another value; it stays as it is."),),
    ),
    "410": ("gone", "What came after this event is not kept any more.", ()),
    "411": ("length_required", "Send the body with a Content-Length.", ()),
    "413": ("too_large", "The body is larger than 64 KiB.", ()),
    "415": ("unsupported_media_type", 'Unsupported media type "text/plain" in request.', ()),
    "422": ("idempotency_key_reused", "This idempotency key belongs to a request with another body.", ()),
    "429": ("throttled", "Request was throttled. Expected available in 12 seconds.", ()),
    "500": ("error", "Something went wrong on our side.", ()),
    "503": ("unavailable", "The database does not answer at the moment. Try again.", ()),
}


def add_examples(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """An example beside every schema of a body."""
    schemas = result["components"]["schemas"]
    told = {status for operation in _operations(result) for status in operation["responses"] if status >= "400"}
    problems = {f"Problem{status}": {"value": problem(status)} for status in sorted(told)}
    result["components"].setdefault("examples", {}).update(problems)
    for operation in _operations(result):
        _add(operation.get("requestBody", {}), schemas, "")
        for status, response in operation["responses"].items():
            _add(response, schemas, status)
    return result


def _operations(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for operations in result["paths"].values() for operation in operations.values()]


def _add(body: dict[str, Any], schemas: dict[str, Any], status: str) -> None:
    for kind, content in body.get("content", {}).items():
        if "example" in content or "examples" in content:
            continue
        if status >= "400":
            # Once for all operations: the schema would be twice as long.
            content["examples"] = {"problem": {"$ref": f"#/components/examples/Problem{status}"}}
        elif kind.endswith("json"):
            content["example"] = example(content.get("schema", {}), schemas)
        # Other texts (streams, exports) are shown where they are described.


def problem(status: str) -> dict[str, Any]:
    """The problem document of this status."""
    code, detail, faults = PROBLEMS.get(status, ("error", "It was refused.", ()))
    return document(int(status), code, detail, faults)


def example(schema: dict[str, Any], schemas: dict[str, Any], name: str = "") -> Any:
    """A value that the schema takes, of the field `name`."""
    if "$ref" in schema:
        return example(schemas[schema["$ref"].rpartition("/")[2]], schemas, name)
    if name in WORDS and _fits(WORDS[name], schema, schemas):
        return WORDS[name]
    if several := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return example(several[0], schemas, name)
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    if "const" in schema:
        return schema["const"]
    return _of_type(schema, schemas)


def _of_type(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    kinds = schema.get("type", "object")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "array":
        return [example(schema.get("items", {}), schemas)]
    if kind == "object":
        return {name: example(one, schemas, name) for name, one in schema.get("properties", {}).items()}
    if kind == "string":
        return FORMATS.get(schema.get("format", ""), PLAIN["string"])
    return max(PLAIN[kind], schema.get("minimum", PLAIN[kind])) if kind in ("integer", "number") else PLAIN[kind]


def _fits(value: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> bool:
    """Whether the field that is called so is also of that kind."""
    if "$ref" in schema:
        return _fits(value, schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if several := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return any(_fits(value, one, schemas) for one in several)
    if "enum" in schema:
        return value in schema["enum"]
    kinds = schema.get("type", "object")
    return _kind(value) in ([kinds] if isinstance(kinds, str) else kinds) or (
        _kind(value) == "integer" and "number" in kinds
    )


def _kind(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", type(None): "null"}
    return names[type(value)]
