"""Transactions over HTTP."""

from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from orjson import Fragment
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from anomalies.api import exporting
from anomalies.api.base import StrictViewSet, json_object
from anomalies.api.explanations import explained
from anomalies.api.filtering import DeclaredFilters
from anomalies.api.guarded import guard_of
from anomalies.api.paging import KeysetPagination
from anomalies.api.parameters import place_of
from anomalies.api.problems import Conflict, Error, Refused, pointer
from anomalies.api.rendering import Answer
from anomalies.findings import Scored, Unscored
from anomalies.guard import Guard
from transactions import counting, intake, rows, scorer
from transactions.api.bulk import BulkCreate
from transactions.api.listings import TRANSACTIONS
from transactions.api.serializers import (
    ExplanationSerializer,
    NewTransactionSerializer,
    ScoredTransactionSerializer,
    TransactionSerializer,
)
from transactions.filters import TransactionFilters
from transactions.models import Transaction
from transactions.store import Outcome
from transactions.taken import Taken

STATUS_OF = {Outcome.CREATED: HTTPStatus.CREATED, Outcome.DUPLICATE: HTTPStatus.OK}


@exporting.described("transactions", "Export transactions")
@extend_schema_view(
    list=extend_schema(
        operation_id="transactions_list",
        summary="List transactions",
        description="The latest first. Fast with `user_id`, whatever the other filters; all filters can be combined.",
        tags=["transactions"],
    ),
    retrieve=extend_schema(operation_id="transactions_retrieve", summary="Show a transaction", tags=["transactions"]),
)
class TransactionViewSet(exporting.Exports, BulkCreate, StrictViewSet):
    """Transactions, stored once and never changed."""

    queryset = Transaction.objects.all()
    serializer_class = TransactionSerializer
    filterset_class = TransactionFilters
    filter_backends = [DeclaredFilters]
    pagination_class = KeysetPagination
    lookup_field = "id"
    listing = TRANSACTIONS
    guards = frozenset({"list", "create"})
    nothing = "There is no such transaction."
    scopes = {"read": "transactions:read", "write": "transactions:write"}
    write_permission = "transactions.add_transaction"

    def retrieve(self, _request: Request, id: UUID) -> Response:  # noqa: A002
        return self.shown(self.row(self.listing, id))

    @extend_schema(
        operation_id="transactions_create",
        summary="Store and score a transaction",
        description=(
            "Sending the same transaction again is harmless: it answers 200 with the same transaction. "
            "Another transaction with a known `id` is refused with 409, naming the fields that differ."
        ),
        tags=["transactions"],
        request=NewTransactionSerializer,
        responses={
            201: OpenApiResponse(ScoredTransactionSerializer, "Stored and scored."),
            200: OpenApiResponse(ScoredTransactionSerializer, "It was stored before, with the same content."),
            409: OpenApiResponse(description="Conflict"),
        },
    )
    def create(self, request: Request) -> Response:
        try:
            taken, scored = _taken(json_object(request), guard_of(request))
        except Refused as refusal:
            self.make_sure()
            counting.count("conflict" if isinstance(refusal, Conflict) else "rejected")
            raise
        counting.count(taken.outcome)
        row = taken.row
        shown = self.row(self.listing, row.id) if taken.stored is None else _shown(row, *taken.stored)
        body = {**shown, **explained(scored, row.currency)}
        # The address of a transaction is that of the list and its id.
        location = f"{place_of(request)}{row.id}/"
        return Answer(body, status=STATUS_OF[taken.outcome], headers={"Location": location})

    @property
    def takes_guard(self) -> bool:
        # Idempotency takes more than the one statement that the guard goes with.
        is_alone = self.action == "list" or "HTTP_IDEMPOTENCY_KEY" not in self.request.META
        return is_alone and super().takes_guard

    @extend_schema(
        operation_id="transactions_explanation",
        summary="Explain a transaction's score",
        description="For any stored transaction, flagged or not. Computed anew, from what was known when it happened.",
        tags=["transactions"],
        responses=ExplanationSerializer,
    )
    @action(detail=True)
    def explanation(self, _request: Request, id: UUID) -> Response:  # noqa: A002
        stored = self.row(self.listing, id)
        scored = scorer.explain(user_id=stored["user_id"], txn_date=stored["txn_date"], id=id)
        features = scored.features if isinstance(scored, Scored) else {}
        return Response({"transaction_id": id, **explained(scored, stored["currency"]), "features": features})


def _shown(row: rows.Row, meta_data: str, merchant_id: str | None, received_at: datetime) -> dict[str, Any]:
    """A row just stored, as `TRANSACTIONS` shows it."""
    return {
        "id": row.id,
        "user_id": row.user_id,
        "amount": str(row.amount),
        "currency": row.currency,
        "txn_date": row.txn_date,
        "status": row.status,
        "meta_data": Fragment(meta_data),
        "merchant_id": merchant_id,
        "received_at": received_at,
    }


def _taken(body: dict[str, Any], guard: Guard | None) -> tuple[Taken, Scored | Unscored]:
    """The body on its way through intake. Raises Refused for a bad row, Conflict for a contradicting one, Unsure."""
    try:
        row = rows.check(body, now=timezone.now())
        taken = intake.take_one(row, guard)
    except rows.BadRow as bad:
        errors = [Error(pointer(field), code, detail) for field, code, detail in bad.problems]
        raise Refused("The transaction breaks the law for a row.", errors) from None
    if taken.scored is None:  # Only what was not stored has no answer from scoring.
        detail = "The stored transaction has another value; it stays as it is."
        raise Conflict(
            "Another transaction is stored under this id.",
            [Error(pointer(field), "conflict", detail) for field in taken.fields],
        )
    return taken, taken.scored
