"""What the OpenAPI schema says beyond the views' own words: envelopes, and the errors every operation knows."""

from typing import Any

from drf_spectacular.openapi import AutoSchema

from anomalies.api.problems import MEDIA_TYPE

PROBLEM = {
    "type": "object",
    "description": "An error, after RFC 9457. `type` ends in a stable code.",
    "required": ["type", "title", "status", "detail", "errors"],
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
    },
}
ANSWERS = {
    "400": "The request has errors; each is named.",
    "401": "No valid key, and nobody is logged in.",
    "403": "This key or person may not do that.",
    "404": "There is no such thing.",
    "405": "This address does not take this method.",
    "406": "The answer would be JSON, and the request does not accept it.",
    "409": "It contradicts what is stored; the stored row stays as it was.",
    "411": "The body has no Content-Length.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "429": "More requests than this key may make in a minute; try again after Retry-After seconds.",
    "500": "Our fault.",
    "503": "The database does not answer; try again after Retry-After seconds.",
}
UNCHANGED = "The content has the ETag that If-None-Match names."
EVERYWHERE = ("400", "401", "403", "405", "406", "429", "500", "503")
WITH_BODY = ("411", "413", "415")
METHODS = ("get", "post", "put", "patch", "delete")


class Schema(AutoSchema):
    """Names the envelopes."""

    def get_paginated_name(self, serializer_name: str) -> str:
        return f"{serializer_name}Page"


def add_problems(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """Every operation's errors, and that unknown fields are one; a hook of drf-spectacular."""
    for name, component in result["components"]["schemas"].items():
        if name.endswith("Request"):
            component["additionalProperties"] = False
    result["components"]["schemas"]["Problem"] = PROBLEM
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, operations in result["paths"].items():
        for operation in (operations[method] for method in METHODS if method in operations):
            codes = {
                *EVERYWHERE,
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
    return result
