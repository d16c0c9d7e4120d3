"""Rows for transactions/bulk/, in its three forms, and what it answers."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django.test import Client

from tests.api import BASE
from transactions.rows import FIELDS

JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv"


def row(**changes: object) -> dict[str, Any]:
    plain = {
        "id": str(uuid4()),
        "user_id": str(uuid4()),
        "amount": "12.50",
        "currency": "EUR",
        "txn_date": "2024-06-01T12:00:00Z",
        "status": "completed",
        "meta_data": {"merchant_id": "m-1"},
    }
    return {**plain, **changes}


def as_ndjson(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(one) + "\n" for one in rows)


def as_csv(rows: list[dict[str, Any]]) -> str:
    cells = [{**one, "meta_data": json.dumps(one["meta_data"])} if "meta_data" in one else one for one in rows]
    return cells_as_csv(cells)


def cells_as_csv(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


WRITTEN: dict[str, Callable[[list[dict[str, Any]]], str]] = {JSON: json.dumps, NDJSON: as_ndjson, CSV: as_csv}


def send(client: Client, content: str | bytes, kind: str = JSON, query: str = "", **headers: str) -> Any:
    # Django's client forgets the type of an empty body.
    return client.post(f"{BASE}transactions/bulk/{query}", content, kind, headers={"Content-Type": kind, **headers})


def sent(client: Client, rows: list[dict[str, Any]], kind: str = JSON, query: str = "") -> dict[str, Any]:
    response = send(client, WRITTEN[kind](rows), kind, query)
    assert response.status_code == 200, response.content
    found: dict[str, Any] = response.json()
    assert [one["index"] for one in found["results"]] == list(range(len(rows)))
    return found


def statuses(answer: dict[str, Any]) -> list[str]:
    return [one["status"] for one in answer["results"]]
