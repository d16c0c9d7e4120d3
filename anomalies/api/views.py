"""Anomalies, cases and verdicts over HTTP."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any, cast
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from anomalies import verdicts
from anomalies.api import exporting, listings
from anomalies.api.base import StrictViewSet, json_object
from anomalies.api.case_work import CaseWork
from anomalies.api.filtering import DeclaredFilters
from anomalies.api.listing import Condition
from anomalies.api.paging import KeysetPagination
from anomalies.api.problems import Error, Refused
from anomalies.api.serializers import (
    AnomalyDetailSerializer,
    AnomalySerializer,
    CaseDetailSerializer,
    CaseSerializer,
    NewVerdictSerializer,
    VerdictSerializer,
)
from anomalies.filters import AnomalyFilters, CaseFilters, VerdictFilters
from anomalies.models import Anomaly, Case, Verdict

ANOMALY_DETAIL = replace(listings.ANOMALIES, columns=(*listings.ANOMALY_COLUMNS, "features"))
# Anomalies shown with their case; further ones have their own list.
ANOMALIES_OF_CASE = 100


@exporting.described("anomalies", "Export anomalies")
@extend_schema_view(
    list=extend_schema(operation_id="anomalies_list", summary="List anomalies", tags=["anomalies"]),
    retrieve=extend_schema(
        operation_id="anomalies_retrieve",
        summary="Show an anomaly",
        tags=["anomalies"],
        responses=AnomalyDetailSerializer,
    ),
)
class AnomalyViewSet(exporting.Exports, StrictViewSet):
    """Transactions whose score reached the floor."""

    queryset = Anomaly.objects.all()
    serializer_class = AnomalySerializer
    filterset_class = AnomalyFilters
    filter_backends = [DeclaredFilters]
    pagination_class = KeysetPagination
    lookup_field = "transaction_id"
    listing = listings.ANOMALIES
    guards = frozenset({"list"})
    scopes = {"read": "anomalies:read"}
    nothing = "No anomaly has this transaction id."

    def retrieve(self, _request: Request, transaction_id: UUID) -> Response:
        return self.shown(self.row(ANOMALY_DETAIL, transaction_id))


@exporting.described("cases", "Export cases")
@extend_schema_view(
    list=extend_schema(
        operation_id="cases_list",
        summary="List cases",
        description="The most urgent first. Cases that are closed are left out unless `state` asks for them.",
        tags=["cases"],
    ),
    retrieve=extend_schema(
        operation_id="cases_retrieve", summary="Show a case", tags=["cases"], responses=CaseDetailSerializer
    ),
)
class CaseViewSet(exporting.Exports, CaseWork):
    """Anomalies of one user, reviewed together."""

    queryset = Case.objects.select_related("assignee")
    serializer_class = CaseSerializer
    filterset_class = CaseFilters
    filter_backends = [DeclaredFilters]
    pagination_class = KeysetPagination
    lookup_field = "id"
    listing = listings.CASES
    guards = frozenset({"list"})
    scopes = {"read": "cases:read", "write": "cases:write"}
    write_permission = "anomalies.review_case"
    nothing = "There is no such case."

    def retrieve(self, _request: Request, id: UUID) -> Response:  # noqa: A002
        case = self.row(self.listing, id)
        inside = listings.ANOMALIES.where(
            Condition("user_id", "exact", case["user_id"]), Condition("case_id", "exact", id)
        )
        return self.shown({**case, "anomalies": inside.first(ANOMALIES_OF_CASE)})


@exporting.described("verdicts", "Export verdicts")
@extend_schema_view(list=extend_schema(operation_id="verdicts_list", summary="List verdicts", tags=["verdicts"]))
class VerdictViewSet(exporting.Exports, StrictViewSet):
    """What people and systems said about transactions."""

    queryset = Verdict.objects.select_related("author")
    serializer_class = VerdictSerializer
    filterset_class = VerdictFilters
    filter_backends = [DeclaredFilters]
    pagination_class = KeysetPagination
    listing = listings.VERDICTS
    guards = frozenset({"list"})
    scopes = {"read": "verdicts:read", "write": "verdicts:write"}
    write_permission = "anomalies.review_case"

    @extend_schema(
        operation_id="verdicts_create",
        summary="Give a verdict",
        description="On any stored transaction, flagged or not. Verdicts are added, never changed: the latest counts.",
        tags=["verdicts"],
        request=NewVerdictSerializer,
        responses={HTTPStatus.CREATED.value: VerdictSerializer},
    )
    def create(self, request: Request) -> Response:
        serializer = NewVerdictSerializer(data=json_object(request))
        serializer.is_valid(raise_exception=True)
        given: dict[str, Any] = {"source": "analyst" if request.auth is None else "api", **serializer.validated_data}
        author = cast("User", request.user)  # The permission has seen that it is one.
        try:
            verdict = verdicts.give(user_id=_user_of(given["transaction_id"]), author=author, **given)
        except verdicts.VerdictError as fault:
            raise Refused(str(fault)) from None
        return Response(self.listing.row("id", verdict.pk), status=HTTPStatus.CREATED)


def _user_of(transaction_id: UUID) -> UUID:
    # This layer does not know the model of transactions.
    with connection.cursor() as cursor:
        cursor.execute("SELECT user_id FROM transactions WHERE id = %s", [transaction_id])
        found = cursor.fetchone()
    if found is None:
        error = Error("/transaction_id", "not_found", "No stored transaction has this id.")
        raise Refused("The verdict speaks of no transaction.", [error])
    user: UUID = found[0]
    return user
