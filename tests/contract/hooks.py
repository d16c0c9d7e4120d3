"""What Schemathesis is told about this API; its configuration names this file."""

import json
import os
import re
from typing import Any
from uuid import UUID

import schemathesis

KNOWN: dict[str, str] = json.loads(os.environ["CONTRACT_IDS"])
# By what a path parameter's operation speaks of.
OF_PATH = {"user_id": "user", "transaction_id": "transaction"}
# A request that keeps to the schema may be refused for these reasons only: no schema can say them.
BEYOND_A_SCHEMA = {
    ("", "nul_character"),  # in any text of a body: PostgreSQL stores none
    ("", "lone_surrogate"),
    ("cursor", "invalid"),  # cursors are opaque: only those that the server made are any
    ("fields", "invalid"),
    ("/currency", "not_a_currency"),  # ISO 4217 has fewer codes than there are three letters
    ("/transaction_id", "not_found"),
    ("/txn_date", "in_the_future"),
    ("/known_at", "in_the_future"),
    ("/source", "not_printable"),
    ("/txn_date", "before_1970"),
    ("/url", "invalid"),  # whole, public, without a name and password in it
}
# The schema knows of these that they are text, not what lines they have.
TEXTS = ("application/x-ndjson", "text/csv")
OF_ROW = re.compile(r"^/\d+(?=/|$)")
# The key that another request has had: the same word for two operations.
REUSED = "urn:anomaly-server:problem:idempotency_key_reused"


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any]) -> dict[str, Any]:
    """Every other id is one that exists: else everything answers 404."""
    return {name: known(context, name, value) for name, value in (path_parameters or {}).items()}


def known(context: Any, name: str, value: Any) -> Any:
    try:
        number = UUID(value).int
    except (ValueError, AttributeError, TypeError):
        return value
    kind = OF_PATH.get(name, "case" if "/cases/" in context.operation.path else "transaction")
    return KNOWN[kind] if number % 2 else value


@schemathesis.hook
def filter_path_parameters(context: Any, path_parameters: dict[str, Any]) -> bool:
    """No dots alone: the client resolves them, and asks another address than it says."""
    return not any(str(value).strip(".") == "" for value in (path_parameters or {}).values())


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Whether it is one: not the refusal of a schema's request for what only the server can know."""
    kind = type(failure).__name__
    if kind == "AcceptedNegativeData":
        # What is no row is rejected in its own place, and the request as a whole answered with 200.
        return not (context.operation.path.endswith("/bulk/") and rejects_a_row(response))
    if kind != "RejectedPositiveData" or response.status_code not in (400, 422):
        return True
    if case.media_type in TEXTS:
        return False
    told = response.json()
    # A row's pointers begin with its number.
    errors = {(OF_ROW.sub("", error["pointer"]), error["code"]) for error in told["errors"]}
    return told["type"] != REUSED and not (errors and errors <= BEYOND_A_SCHEMA)


def rejects_a_row(response: Any) -> bool:
    """Whether a bulk request was answered so."""
    return any(row["status"] == "rejected" for row in response.json()["results"])


@schemathesis.serializer("application/x-ndjson")
def lines(_context: Any, value: Any) -> Any:
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")
