"""What the OpenAPI schema says beyond the views' own words: envelopes, and the errors every operation knows."""

from typing import Any

from drf_spectacular.openapi import AutoSchema

from anomalies.api.idempotency import HEADER, KEPT_HOURS, REPLAYED
from anomalies.api.problems import MEDIA_TYPE

PROBLEM = {
    "type": "object",
    "description": "An error, after RFC 9457. `type` ends in a stable code.",
    "required": ["type", "title", "status", "detail", "errors", "request_id"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:anomaly-server:problem:invalid"]},
        "title": {"type": "string", "examples": ["Bad Request"]},
        "status": {"type": "integer", "examples": [400]},
        "detail": {"type": "string", "examples": ["The transaction breaks the law for a row."]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {
                        "type": "string",
                        "description": "A JSON pointer into the body, or the name of a query parameter.",
                        "examples": ["/amount"],
                    },
                    "code": {"type": "string", "examples": ["negative"]},
                    "detail": {"type": "string", "examples": ["'-1' is below zero."]},
                },
            },
        },
        "request_id": {"type": "string", "description": "The answer's X-Request-ID, which our log knows too."},
    },
}
ANSWERS = {
    "400": "The request has errors; each is named.",
    "401": "No valid key, and nobody is logged in.",
    "403": "This key or person may not do that.",
    "404": "There is no such thing.",
    "405": "This address does not take this method.",
    "406": "The answer would be JSON, and the request does not accept it.",
    "409": "It contradicts what is stored, which stays as it was; or the first request with this key is still at work.",
    "410": "Events after that id have been removed.",
    "411": "The body has no Content-Length.",
    "413": "The body is too large.",
    "415": "The body is of a type that is not taken here, or compressed.",
    "422": "The idempotency key belongs to another request; or a row is rejected, and `atomic` asks for all or none.",
    "429": "More requests than this key may make in a minute; try again after Retry-After seconds.",
    "500": "Our fault.",
    "503": (
        "The database does not answer, or as many exports or listeners are served as can be; "
        "try again after Retry-After seconds."
    ),
}
UNCHANGED = "The content has the ETag that If-None-Match names."
EVERYWHERE = ("400", "401", "403", "405", "406", "429", "500", "503")
WITH_BODY = ("411", "413", "415")
# Of whatever writes: a request that is sent again with the same key gets the answer of the first.
WRITING = ("409", "422")
METHODS = ("get", "post", "put", "patch", "delete")
IDEMPOTENCY_KEY = {
    "name": HEADER,
    "in": "header",
    "description": (
        f"Makes sending it again harmless: the answer of the first is sent again, for {KEPT_HOURS} hours. "
        "1 to 255 printable ASCII characters, bare or in quotes, such as a UUID; a new one for each new request."
    ),
    "schema": {
        "type": "string",
        "pattern": r'^([!#-~]([ -~]{0,253}[!-~])?|"([ !#-\[\]-~]|\\["\\]){1,255}")$',
        "examples": ["8e03978e-40d5-43dd-bc93-6894a57f9324"],
    },
}
IDEMPOTENT_REPLAYED = {
    "description": "The answer is that of an earlier request with this idempotency key, byte for byte.",
    "schema": {"type": "string", "enum": ["true"]},
}


class Schema(AutoSchema):
    """Names the envelopes, and says what is deprecated."""

    def get_paginated_name(self, serializer_name: str) -> str:
        return f"{serializer_name}Page"

    def is_deprecated(self) -> bool:
        view: Any = self.view
        return view.action in getattr(view, "deprecations", {})

    def _get_parameters(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = super()._get_parameters()
        view: Any = self.view
        declared = getattr(view, "deprecations", {})
        old = [one for one in found if f"{view.action}?{one['name']}" in declared]
        for parameter in old:
            parameter["deprecated"] = True
        return found


def add_problems(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """Every operation's errors, and that unknown fields are one; a hook of drf-spectacular."""
    for name, component in result["components"]["schemas"].items():
        if name.endswith("Request"):
            component["additionalProperties"] = False
    result["components"]["schemas"]["Problem"] = PROBLEM
    result["components"].setdefault("parameters", {})["IdempotencyKey"] = IDEMPOTENCY_KEY
    result["components"].setdefault("headers", {})["IdempotentReplayed"] = IDEMPOTENT_REPLAYED
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, operations in result["paths"].items():
        for method, operation in ((method, operations[method]) for method in METHODS if method in operations):
            writes = method != "get"
            codes = {
                *EVERYWHERE,
                *(WRITING if writes else ()),
                *(("404",) if "{" in path else ()),
                *(WITH_BODY if "requestBody" in operation else ()),
            }
            if operation["operationId"].endswith("_retrieve"):
                operation["responses"]["304"] = {"description": UNCHANGED}
            for code in sorted(codes):
                operation["responses"].setdefault(code, {"description": ANSWERS[code]})
            for code, response in operation["responses"].items():
                if code >= "400":
                    response.update(description=ANSWERS[code], content=content)
                response["description"] = response["description"] or "As asked."
            if writes:
                _add_idempotency(operation)
            if "requestBody" in operation:
                operation["requestBody"]["required"] = True  # An empty one is refused.
    return result


def _add_idempotency(operation: dict[str, Any]) -> None:
    operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/IdempotencyKey"})
    for code, response in operation["responses"].items():
        if code < "300" or code == "409":
            response.setdefault("headers", {})[REPLAYED] = {"$ref": "#/components/headers/IdempotentReplayed"}
