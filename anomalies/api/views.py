"""Anomalies, cases and verdicts over HTTP."""

from dataclasses import replace
from http import HTTPStatus
from typing import cast
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from anomalies import verdicts
from anomalies.api import listings
from anomalies.api.base import ListView, StrictView, json_object
from anomalies.api.problems import Error, Refused
from anomalies.api.schema import page_of
from anomalies.api.serializers import (
    AnomalyDetailSerializer,
    AnomalySerializer,
    CaseDetailSerializer,
    CaseSerializer,
    NewVerdictSerializer,
    VerdictSerializer,
)

ANOMALY_DETAIL = replace(listings.ANOMALIES, columns=(*listings.ANOMALY_COLUMNS, "features"))
# Anomalies shown with their case; further ones have their own list.
ANOMALIES_OF_CASE = 100


class AnomaliesView(ListView):
    listing = listings.ANOMALIES

    @extend_schema(
        operation_id="anomalies_list",
        summary="List anomalies",
        tags=["anomalies"],
        parameters=listings.ANOMALIES.documented(),
        responses=page_of(AnomalySerializer),
    )
    def get(self, request: Request) -> Response:
        return super().get(request)


class AnomalyView(StrictView):
    @extend_schema(
        operation_id="anomalies_retrieve",
        summary="Show an anomaly",
        tags=["anomalies"],
        responses=AnomalyDetailSerializer,
    )
    def get(self, _request: Request, transaction_id: UUID) -> Response:
        found = ANOMALY_DETAIL.row("transaction_id", transaction_id)
        if found is None:
            raise NotFound("No anomaly has this transaction id.")
        return Response(found)


class CasesView(ListView):
    listing = listings.CASES

    @extend_schema(
        operation_id="cases_list",
        summary="List cases",
        description="The most urgent first. Cases that are closed are left out unless `state` asks for them.",
        tags=["cases"],
        parameters=listings.CASES.documented(),
        responses=page_of(CaseSerializer),
    )
    def get(self, request: Request) -> Response:
        return super().get(request)


class CaseView(StrictView):
    @extend_schema(operation_id="cases_retrieve", summary="Show a case", tags=["cases"], responses=CaseDetailSerializer)
    def get(self, _request: Request, id: UUID) -> Response:  # noqa: A002
        found = listings.CASES.row("id", id)
        if found is None:
            raise NotFound("There is no such case.")
        anomalies = listings.ANOMALIES.first({"user_id": found["user_id"], "case": id}, ANOMALIES_OF_CASE)
        return Response({**found, "anomalies": anomalies})


class VerdictsView(ListView):
    listing = listings.VERDICTS
    write_permission = "anomalies.add_verdict"

    @extend_schema(
        operation_id="verdicts_list",
        summary="List verdicts",
        tags=["verdicts"],
        parameters=listings.VERDICTS.documented(),
        responses=page_of(VerdictSerializer),
    )
    def get(self, request: Request) -> Response:
        return super().get(request)

    @extend_schema(
        operation_id="verdicts_create",
        summary="Give a verdict",
        description="On any stored transaction, flagged or not. Verdicts are added, never changed: the latest counts.",
        tags=["verdicts"],
        request=NewVerdictSerializer,
        responses={HTTPStatus.CREATED.value: VerdictSerializer},
    )
    def post(self, request: Request) -> Response:
        serializer = NewVerdictSerializer(data=json_object(request))
        serializer.is_valid(raise_exception=True)
        given = {"source": "analyst" if request.auth is None else "api", **serializer.validated_data}
        author = cast("User", request.user)  # The permission has seen that it is one.
        try:
            verdict = verdicts.give(user_id=_user_of(given["transaction_id"]), author=author, **given)
        except verdicts.VerdictError as fault:
            raise Refused(str(fault)) from None
        return Response(listings.VERDICTS.row("id", verdict.pk), status=HTTPStatus.CREATED)


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
