"""Users over HTTP: there is no table of users, they are who has transactions."""

from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import connection
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from anomalies.api.base import ListView, StrictView
from anomalies.api.listings import CASES, NOT_CLOSED
from anomalies.api.schema import page_of
from transactions.api.listings import USERS
from transactions.api.serializers import UserSerializer, UserSummarySerializer

SQL = Path(__file__).parents[1] / "sql"
SUMMARY = (SQL / "user_summary.sql").read_text()
CURRENCIES = (SQL / "user_currencies.sql").read_text()
MOST_COUNTED = 10_000
LATEST = 1_000


class UsersView(ListView):
    listing = USERS

    @extend_schema(
        operation_id="users_list",
        summary="List users",
        tags=["users"],
        parameters=USERS.documented(),
        responses=page_of(UserSerializer),
    )
    def get(self, request: Request) -> Response:
        return super().get(request)


class UserView(StrictView):
    @extend_schema(
        operation_id="users_retrieve",
        summary="Sum up a user",
        tags=["users"],
        responses=UserSummarySerializer,
    )
    def get(self, _request: Request, user_id: UUID) -> Response:
        return Response(_summary(user_id))


def _summary(user_id: UUID) -> dict[str, Any]:
    """Three queries. Raises NotFound for a user without transactions."""
    with connection.cursor() as cursor:
        cursor.execute(SUMMARY, {"user_id": user_id, "most": MOST_COUNTED})
        first_seen, last_seen, count, anomalies = cursor.fetchone()
        if first_seen is None:
            raise NotFound("This user has no transactions.")
        cursor.execute(CURRENCIES, {"user_id": user_id, "latest": LATEST})
        names = [column.name for column in cursor.description]
        currencies = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return {
        "user_id": user_id,
        "first_seen": first_seen,
        "last_seen": last_seen,
        "transaction_count": min(count, MOST_COUNTED),
        "count_is_exact": count <= MOST_COUNTED,
        "currencies": currencies,
        "anomaly_count": anomalies,
        "open_case": next(iter(CASES.first({"user_id": user_id, "state": (NOT_CLOSED,)}, 1)), None),
    }
