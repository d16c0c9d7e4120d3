"""What the lists of anomalies, cases and verdicts show, and what they can be asked for."""

from typing import Any
from uuid import UUID

import orjson

import scoring
from anomalies.api.explanations import told
from anomalies.api.paging import Column, Listing, Ordering
from anomalies.api.parameters import (
    UUID_SCHEMA,
    Parameter,
    dates,
    instant,
    of_currency,
    of_user,
    one_of,
    plain_text,
    score,
    uuid,
)
from anomalies.models import Case, Verdict

SCORES_OF_LEVEL = {"low": (40.0, 60.0), "medium": (60.0, 80.0), "high": (80.0, 1_000.0)}
NOT_CLOSED = [Case.State.OPEN.value, Case.State.CLAIMED.value]
STATES = {"active": NOT_CLOSED, **{state: [state] for state in Case.State.values}, "all": list(Case.State.values)}


def level(text: str) -> tuple[float, float]:
    return SCORES_OF_LEVEL[one_of(*SCORES_OF_LEVEL)(text)]


def states(text: str) -> tuple[list[str]]:
    return (STATES[one_of(*STATES)(text)],)


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
ANOMALY_FILTERS = (
    of_user(),
    *dates("txn_date"),
    Parameter(
        "min_score",
        score,
        "score >= %s",
        {"type": "number", "minimum": 0, "maximum": 100},
        "With this score or more.",
    ),
    Parameter(
        "level",
        level,
        "score >= %s AND score < %s",
        {"type": "string", "enum": list(SCORES_OF_LEVEL)},
        "Of exactly this level.",
    ),
    of_currency(),
    Parameter("merchant_id", plain_text, "merchant_id = %s", {"type": "string"}, "At this merchant."),
    Parameter("case", uuid, "case_id = %s", UUID_SCHEMA, "In this case."),
)
ANOMALIES = Listing(
    table="anomalies",
    columns=ANOMALY_COLUMNS,
    filters=ANOMALY_FILTERS,
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
    filters=(
        Parameter(
            "state",
            states,
            "state = ANY(%s)",
            {"type": "string", "enum": list(STATES), "default": "active"},
            "In this state; `active` means not closed.",
        ),
        of_user(),
    ),
    orderings={
        "priority": Ordering((Column("priority", float, descending=True), Column("id", UUID))),
        "newest": Ordering((Column("opened_at", instant, descending=True), Column("id", UUID))),
    },
    defaults={"state": "active"},
    present=case,
)

VERDICTS = Listing(
    table="verdicts",
    columns=("id", "transaction_id", "user_id", "value", "source", "author", "note", "known_at"),
    expressions={"author": "(SELECT username FROM auth_user WHERE auth_user.id = author_id)"},
    filters=(
        of_user(),
        Parameter("transaction_id", uuid, "transaction_id = %s", UUID_SCHEMA, "On this transaction."),
        Parameter(
            "value",
            one_of(*Verdict.Value.values),
            "value = %s",
            {"type": "string", "enum": list(Verdict.Value.values)},
            "Of this kind.",
        ),
    ),
    orderings={"newest": Ordering((Column("known_at", instant, descending=True), Column("id", UUID)))},
)
