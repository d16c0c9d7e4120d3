"""What goes into a bulk request and comes out of it, for the schema."""

import json
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiRequest
from rest_framework import serializers

from transactions.api.serializers import NewTransactionSerializer

USER = "0b0c4c1e-8a55-4d0e-9d0a-5d2f6c1f7a11"
ROWS: list[dict[str, Any]] = [
    {
        "id": "0190b3c4-8a55-7d0e-9d0a-5d2f6c1f7a21",
        "user_id": USER,
        "amount": "12.50",
        "currency": "EUR",
        "txn_date": "2026-01-31T09:30:00Z",
        "status": "completed",
        "meta_data": {"merchant_id": "shop-7"},
    },
    {
        "id": "0190b3c4-8a55-7d0e-9d0a-5d2f6c1f7a22",
        "user_id": USER,
        "amount": "-3.20",
        "currency": "EUR",
        "txn_date": "2026-01-31T10:00:00Z",
        "status": "completed",
    },
]
NDJSON = "".join(json.dumps(row) + "\n" for row in ROWS)
CSV = (
    "id,user_id,amount,currency,txn_date,status,meta_data\n"
    f'{ROWS[0]["id"]},{USER},12.50,EUR,2026-01-31T09:30:00Z,completed,"{{""merchant_id"": ""shop-7""}}"\n'
    f"{ROWS[1]['id']},{USER},-3.20,EUR,2026-01-31T10:00:00Z,completed,\n"
)
NEGATIVE = {
    "pointer": "/amount",
    "code": "negative",
    "detail": "'-3.20' is below zero: send what was paid; say refunds by the status.",
}
ANSWER = OpenApiExample(
    "One of two",
    {
        "created": 1,
        "duplicate": 0,
        "conflict": 0,
        "rejected": 1,
        "results": [
            {"index": 0, "id": ROWS[0]["id"], "status": "created"},
            {"index": 1, "id": ROWS[1]["id"], "status": "rejected", "errors": [NEGATIVE]},
        ],
    },
    response_only=True,
    status_codes=["200"],
)


def _text(described: str, example: str) -> OpenApiRequest:
    shown = OpenApiExample("Two payments", example, request_only=True)
    return OpenApiRequest({"type": "string", "description": described}, examples=[shown])


REQUEST = {
    "application/json": OpenApiRequest(
        NewTransactionSerializer(many=True),
        # What the library shows of it is a list already.
        examples=[OpenApiExample("A payment", ROWS[0], request_only=True)],
    ),
    "application/x-ndjson": _text("A JSON object a line, as in the array.", NDJSON),
    "text/csv": _text("The first line names the fields. An empty cell is an absent field, meta_data JSON text.", CSV),
}


class RowErrorSerializer(serializers.Serializer[Any]):
    """One thing wrong with a row."""

    pointer = serializers.CharField(allow_blank=True, help_text='A JSON pointer into the row; "" is all of it.')
    code = serializers.CharField()
    detail = serializers.CharField()


class BulkResultSerializer(serializers.Serializer[Any]):
    """What became of one row."""

    index = serializers.IntegerField(help_text="Its place in the request, from 0.")
    id = serializers.CharField(
        allow_null=True, help_text="The transaction's id; of a rejected row what it says, if it is a short text."
    )
    status = serializers.ChoiceField(("created", "duplicate", "conflict", "rejected"))
    errors = RowErrorSerializer(  # type: ignore[assignment]
        many=True, required=False, help_text="Of a rejected row or a conflict."
    )


class BulkSerializer(serializers.Serializer[Any]):
    """What became of every row, in their order, and how many of each."""

    created = serializers.IntegerField(help_text="Stored; to be scored in the background, within seconds.")
    duplicate = serializers.IntegerField(help_text="Stored before, with the same content.")
    conflict = serializers.IntegerField(help_text="Another transaction is stored under the id; it stays.")
    rejected = serializers.IntegerField(help_text="They break the law for a row.")
    results = BulkResultSerializer(many=True)
