"""The rows of the lists of anomalies, cases and verdicts."""

from typing import Any
from uuid import UUID

import orjson

import scoring
from anomalies.api.explanations import told
from anomalies.api.listing import Column, Listing, Ordering
from anomalies.api.parameters import instant


def anomaly(row: dict[str, Any]) -> dict[str, Any]:
    """An anomaly's columns as the API shows them."""
    shown = {**row, "reasons": told(orjson.loads(row["reasons"]), row["currency"])}
    if "features" in shown:
        shown["features"] = orjson.Fragment(shown["features"])
    return {**shown, "level": scoring.level(row["score"])}


def case(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "outcome": row["outcome"] or None}


ANOMALY_COLUMNS = (
    "transaction_id",
    "user_id",
    "amount",
    "currency",
    "txn_date",
    "status",
    "merchant_id",
    "score",
    "rarity",
    "raw",
    "reasons",
    "case_id",
    "reference_id",
    "model_version_id",
    "found_at",
)
ANOMALIES = Listing(
    table="anomalies",
    columns=ANOMALY_COLUMNS,
    computed=("level",),
    expressions={"amount": "amount::text", "reasons": "reasons::text", "features": "features::text"},
    orderings={
        "newest": Ordering((Column("txn_date", instant, descending=True), Column("transaction_id", UUID))),
        "score": Ordering((Column("score", float, descending=True), Column("transaction_id", UUID))),
    },
    present=anomaly,
)

CASES = Listing(
    table="cases",
    columns=(
        "id",
        "user_id",
        "state",
        "priority",
        "anomaly_count",
        "opened_at",
        "latest_at",
        "assignee",
        "outcome",
        "closed_at",
    ),
    expressions={"assignee": "(SELECT username FROM auth_user WHERE auth_user.id = assignee_id)"},
    orderings={
        "priority": Ordering((Column("priority", float, descending=True), Column("id", UUID))),
        "newest": Ordering((Column("opened_at", instant, descending=True), Column("id", UUID))),
    },
    present=case,
)

VERDICTS = Listing(
    table="verdicts",
    columns=("id", "transaction_id", "user_id", "value", "source", "author", "note", "known_at"),
    expressions={"author": "(SELECT username FROM auth_user WHERE auth_user.id = author_id)"},
    orderings={"newest": Ordering((Column("known_at", instant, descending=True), Column("id", UUID)))},
)
