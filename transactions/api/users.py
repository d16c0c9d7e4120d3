"""Users over HTTP: there is no table of users, they are who has transactions."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Max, Min, OuterRef, Subquery
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from anomalies.api.base import StrictViewSet
from anomalies.api.filtering import DeclaredFilters
from anomalies.api.listing import Condition
from anomalies.api.listings import CASES
from anomalies.api.paging import KeysetPagination
from anomalies.filters import NOT_CLOSED
from anomalies.models import Case
from anomalies.profile import Payment, by_currency, profile
from transactions import recent
from transactions.api.listings import USERS
from transactions.api.serializers import UserSerializer, UserSummarySerializer
from transactions.filters import UserFilters
from transactions.models import Transaction

SQL = Path(__file__).parents[1] / "sql"
SUMMARY = (SQL / "user_summary.sql").read_text()
CURRENCIES = (SQL / "user_currencies.sql").read_text()
MOST_COUNTED = 10_000
LATEST = 1_000
HUNDREDTH = Decimal("0.01")


@extend_schema_view(
    list=extend_schema(operation_id="users_list", summary="List users", tags=["users"]),
    retrieve=extend_schema(
        operation_id="users_retrieve",
        summary="Sum up a user",
        description=(
            "What is ordinary for the user, the scores of the latest transactions, and the open case. Whatever the "
            "number of the user's transactions, a bounded number of the latest is read."
        ),
        tags=["users"],
        responses=UserSummarySerializer,
    ),
)
class UserViewSet(StrictViewSet):
    """Who has transactions."""

    queryset = (
        Transaction.objects.values("user_id")
        .annotate(
            first_seen=Min("txn_date"),
            last_seen=Max("txn_date"),
            open_case_id=Subquery(Case.objects.filter(user_id=OuterRef("user_id"), state__in=NOT_CLOSED).values("id")),
        )
        .order_by("user_id")
    )
    serializer_class = UserSerializer
    filterset_class = UserFilters
    filter_backends = [DeclaredFilters]
    pagination_class = KeysetPagination
    lookup_field = "user_id"
    listing = USERS
    scopes = {"read": "users:read"}

    def retrieve(self, _request: Request, user_id: UUID) -> Response:
        return self.shown(_summary(user_id))


def _summary(user_id: UUID) -> dict[str, Any]:
    """At most seven queries, and one for each reference that is new to this process.

    Raises NotFound for a user without transactions.
    """
    with connection.cursor() as cursor:
        cursor.execute(SUMMARY, {"user_id": user_id, "most": MOST_COUNTED})
        first_seen, last_seen, count, anomalies = cursor.fetchone()
        if first_seen is None:
            raise NotFound("This user has no transactions.")
        cursor.execute(CURRENCIES, {"user_id": user_id, "latest": LATEST})
        names = [column.name for column in cursor.description]
        currencies = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    open_case = CASES.where(Condition("user_id", "exact", user_id), Condition("state", "in", NOT_CLOSED))
    return {
        "user_id": user_id,
        "first_seen": first_seen,
        "last_seen": last_seen,
        "transaction_count": min(count, MOST_COUNTED),
        "count_is_exact": count <= MOST_COUNTED,
        "currencies": currencies,
        "anomaly_count": anomalies,
        "open_case": next(iter(open_case.first(1)), None),
        "profile": _profile(recent.payments(user_id)),
        "recent_scores": [one._asdict() for one in recent.scores(user_id)],
    }


def _profile(payments: Sequence[Payment]) -> dict[str, Any] | None:
    found = profile(payments)
    return found and {
        "payments": found.payments,
        "since": found.since,
        "every_s": found.every.total_seconds(),
        "from_hour": found.from_hour,
        "to_hour": found.to_hour,
        "amounts": [
            {
                "currency": one.currency,
                "payments": one.payments,
                "typical_amount": one.median.quantize(HUNDREDTH),
                "high_amount": one.ninth,
            }
            for one in by_currency(payments)
        ],
        "merchants": [{"merchant_id": name, "payments": times} for name, times in found.merchants],
        "merchant_count": found.merchant_count,
    }
