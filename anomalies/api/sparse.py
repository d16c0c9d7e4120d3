"""What the schema says of rows of which only some fields were asked for; a hook of drf-spectacular."""

from typing import Any

REFERENCE = "#/components/schemas/"


def add_sparse_rows(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """Each row of a page is whole, or has the fields that `fields` names."""
    schemas = result["components"]["schemas"]
    pages = [page["properties"]["results"] for name, page in schemas.items() if name.endswith("Page")]
    for results in pages:
        name = results["items"]["$ref"].removeprefix(REFERENCE)
        schemas[f"{name}Fields"] = {
            "type": "object",
            "description": "The fields that `fields` names, and no others.",
            "properties": schemas[name]["properties"],
            "minProperties": 1,
            "additionalProperties": False,
        }
        results["items"] = {"anyOf": [results["items"], {"$ref": f"{REFERENCE}{name}Fields"}]}
    return result
