"""Many transactions in one request: each row judged as everywhere, and answered on its own or all of them together."""

from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from anomalies.api.base import StrictViewSet
from anomalies.api.parameters import OneOfField, Parameters
from anomalies.api.problems import Conflict, Error, Refused, pointer
from transactions import counting, intake, rows
from transactions.api import bulk_body
from transactions.api.bulk_shapes import ANSWER, REQUEST, BulkSerializer
from transactions.intake import Taken
from transactions.rows import BadRow, Problem, Row
from transactions.store import Outcome, RefusedByDatabase

REJECTED = "rejected"
STATUSES = (*Outcome, REJECTED)
# Where the database's clock differs from ours, it refuses rows one by one.
MOST_REFUSALS = 10
# Of a request that is refused as a whole: the first faults are enough to mend it.
MOST_TOLD = 100
STAYS = "The stored transaction has another value; it stays as it is."
# With hyphens.
LONGEST_ID = 36
PARAMETERS = Parameters({"atomic": OneOfField(options=("true", "false"), initial="false")})


class AllOrNone(Refused):
    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    default_code = "rows_rejected"


class BulkCreate(StrictViewSet):
    """Adds `bulk/` to the viewset of transactions."""

    def _parameters(self) -> Parameters:
        return PARAMETERS if self.action == "bulk" else super()._parameters()

    @extend_schema(
        operation_id="transactions_bulk",
        summary="Store many transactions",
        description=(
            "A JSON array, NDJSON (an object a line) or CSV (the first line names the fields, meta_data is JSON text), "
            f"at most {bulk_body.BODY_BYTES >> 20} MiB and {bulk_body.MOST_ROWS:,} rows. Each row is judged on its own "
            "and answered in its place. Created rows are scored in the background, within seconds."
        ),
        tags=["transactions"],
        parameters=[
            OpenApiParameter(
                "atomic",
                {"type": "boolean", "default": False},
                description="All rows or none: 422 where one is rejected, 409 where one contradicts a stored one.",
            )
        ],
        request=REQUEST,
        responses={200: OpenApiResponse(BulkSerializer, "What became of each row.")},
        examples=[ANSWER],
    )
    @action(detail=False, methods=["post"])
    def bulk(self, request: Request) -> Response:
        batch = Batch()
        batch.read(request)
        batch.store(atomic=self.asked["atomic"] == "true")
        for status, count in batch.counts().items():
            counting.count(status, count)
        return Response(batch.told())


class Batch:
    """The rows of one request, by their places, and what becomes of each."""

    def __init__(self) -> None:
        self.answers: list[dict[str, Any]] = []
        self.rows: list[Row] = []
        # Where each of `rows` stands in the request.
        self.places: list[int] = []

    def read(self, request: Request) -> None:
        now = timezone.now()
        for place, raw in enumerate(bulk_body.rows(request)):
            self.answers.append({"index": place, "id": None, "status": None})
            try:
                if raw.problem:
                    raise BadRow([raw.problem])
                row = rows.check(raw.value, now=now)
            except BadRow as bad:
                self._reject(place, bad.problems, raw.value)
            else:
                self.rows.append(row)
                self.places.append(place)

    def store(self, *, atomic: bool) -> None:
        """Raises AllOrNone or Conflict if `atomic` and a row cannot be stored; nothing is, then."""
        with transaction.atomic():
            if atomic:
                self._check_all_good()
            taken = self._taken()
            for place, one in zip(self.places, taken, strict=True):
                self.answers[place].update(id=one.row.id, status=one.outcome)
                if one.fields:
                    self.answers[place]["errors"] = [Error(pointer(name), "conflict", STAYS) for name in one.fields]
            if atomic:
                self._check_all_good()
                self._check_no_conflict()

    def told(self) -> dict[str, Any]:
        results = [
            {**one, "errors": [error._asdict() for error in one["errors"]]} if "errors" in one else one
            for one in self.answers
        ]
        return {**self.counts(), "results": results}

    def counts(self) -> dict[str, int]:
        found = Counter(one["status"] for one in self.answers)
        return {str(status): found[status] for status in STATUSES}

    def _taken(self) -> Sequence[Taken]:
        for refusals in range(MOST_REFUSALS + 1):
            try:
                with transaction.atomic():
                    return intake.take(self.rows, score=False)
            except RefusedByDatabase as refused:
                if refused.position is None or refusals == MOST_REFUSALS:
                    raise AllOrNone("The database refuses rows.", _errors(refused.problems)) from None
                self.rows.pop(refused.position)
                self._reject(self.places.pop(refused.position), refused.problems)
        raise AssertionError

    def _reject(self, place: int, problems: Sequence[Problem], value: object = None) -> None:
        given = value.get("id") if isinstance(value, dict) else None
        self.answers[place]["id"] = given if isinstance(given, str) and len(given) <= LONGEST_ID else None
        self.answers[place].update(status=REJECTED, errors=_errors(problems))

    def _check_all_good(self) -> None:
        if errors := self._errors_of(REJECTED):
            raise AllOrNone("Nothing is stored: not every row obeys the law for a row.", errors)

    def _check_no_conflict(self) -> None:
        if errors := self._errors_of(Outcome.CONFLICT):
            raise Conflict("Nothing is stored: other transactions are stored under some of these ids.", errors)

    def _errors_of(self, status: str) -> list[Error]:
        """The faults of the rows with that status, each with the row's place in its pointer."""
        found = (
            Error(f"/{one['index']}{error.pointer}", error.code, error.detail)
            for one in self.answers
            if one["status"] == status
            for error in one["errors"]
        )
        return [error for error, _ in zip(found, range(MOST_TOLD), strict=False)]


def _errors(problems: Sequence[Problem]) -> list[Error]:
    return [Error(pointer(field), code, detail) for field, code, detail in problems]
