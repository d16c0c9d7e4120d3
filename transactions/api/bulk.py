"""Many transactions in one request: each row judged as everywhere, and answered on its own or all of them together."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from http import HTTPStatus
from itertools import islice
from typing import Any

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from orjson import Fragment
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from anomalies.api.base import StrictViewSet
from anomalies.api.parameters import OneOfField, Parameters
from anomalies.api.problems import Conflict, Error, Refused, pointer
from anomalies.api.rendering import dumps
from transactions import copying, counting, intake, plain, rows
from transactions.api import bulk_body
from transactions.api.bulk_shapes import ANSWER, REQUEST, BulkSerializer
from transactions.lines import Lines
from transactions.rows import BadRow, Problem
from transactions.store import Outcome, RefusedByDatabase, Written

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
        batch.take(request, atomic=self.asked["atomic"] == "true")
        counts = batch.counts()
        for status, count in counts.items():
            counting.count(status, count)
        return Response({**counts, "results": Fragment(batch.results)})


class Batch:
    """The rows of one request, by their places, and what becomes of each."""

    def __init__(self) -> None:
        self.ids: list[str | None] = []
        self.statuses: list[str] = []
        self.errors: dict[int, list[Error]] = {}
        # The rows that obey the law, and where each of them stands in the request.
        self.lines = Lines()
        self.places: list[int] = []
        # As JSON.
        self.results = ""

    def take(self, request: Request, *, atomic: bool) -> None:
        """Store what can be stored. Raises AllOrNone or Conflict if `atomic` and a row cannot be; nothing is, then."""
        if copying.take_new(self._checked(request, atomic=atomic)):
            return
        with transaction.atomic():
            for place, one in zip(self.places, self._taken(), strict=True):
                self.statuses[place] = one.outcome
                if one.fields:
                    self.errors[place] = [Error(pointer(name), "conflict", STAYS) for name in one.fields]
            if atomic:
                self._check_all_good()
                self._check_no_conflict()
        self.results = self._results()

    def counts(self) -> dict[str, int]:
        found = Counter(self.statuses)
        return {str(status): found[status] for status in STATUSES}

    def _results(self) -> str:
        told = enumerate(zip(self.ids, self.statuses, strict=True))
        # The id of a row without errors is a UUID, and needs no escapes.
        parts = [
            self._faulty(place) if place in self.errors else f'{{"index":{place},"id":"{its}","status":"{status}"}}'
            for place, (its, status) in told
        ]
        return f"[{','.join(parts)}]"

    def _faulty(self, place: int) -> str:
        errors = [error._asdict() for error in self.errors[place]]
        return dumps({"index": place, "id": self.ids[place], "status": self.statuses[place], "errors": errors}).decode()

    def _checked(self, request: Request, *, atomic: bool) -> Iterator[Lines]:
        now = timezone.now()
        for raws in bulk_body.pieces(request):
            lines = plain.read(raws, now)
            if lines is None:
                lines = self._checked_singly(raws, now)
            else:
                self._expect(lines.ids)
            self.lines.extend(lines)
            yield lines
        if atomic:
            self._check_all_good()
        # PostgreSQL is still at work, and most often takes all.
        self.results = self._results()

    def _checked_singly(self, raws: Sequence[Any], now: datetime) -> Lines:
        lines = Lines()
        for raw in raws:
            try:
                if isinstance(raw, bulk_body.Unread):
                    raise BadRow([raw.problem])
                lines.add(rows.check(raw, now=now))
            except BadRow as bad:
                given = raw.get("id") if isinstance(raw, dict) else None
                self._expect([given if isinstance(given, str) and len(given) <= LONGEST_ID else None])
                self._reject(self.places.pop(), bad.problems)
            else:
                self._expect(lines.ids[-1:])
        return lines

    def _expect(self, ids: Sequence[str | None]) -> None:
        """Rows that are created, if nothing else is found."""
        self.places += range(len(self.ids), len(self.ids) + len(ids))
        self.ids += ids
        self.statuses += [Outcome.CREATED] * len(ids)

    def _reject(self, place: int, problems: Sequence[Problem]) -> None:
        self.statuses[place], self.errors[place] = REJECTED, _errors(problems)

    def _taken(self) -> Sequence[Written]:
        for refusals in range(MOST_REFUSALS + 1):
            try:
                return intake.take_lines(self.lines)
            except RefusedByDatabase as refused:
                if refused.position is None or refusals == MOST_REFUSALS:
                    raise AllOrNone("The database refuses rows.", _errors(refused.problems)) from None
                self.lines.pop(refused.position)
                self._reject(self.places.pop(refused.position), refused.problems)
        raise AssertionError

    def _check_all_good(self) -> None:
        if errors := self._errors_of(REJECTED):
            raise AllOrNone("Nothing is stored: not every row obeys the law for a row.", errors)

    def _check_no_conflict(self) -> None:
        if errors := self._errors_of(Outcome.CONFLICT):
            raise Conflict("Nothing is stored: other transactions are stored under some of these ids.", errors)

    def _errors_of(self, status: str) -> list[Error]:
        """The faults of the rows with that status, each with the row's place in its pointer."""
        found = (
            Error(f"/{place}{error.pointer}", error.code, error.detail)
            for place, errors in sorted(self.errors.items())
            if self.statuses[place] == status
            for error in errors
        )
        return [*islice(found, MOST_TOLD)]


def _errors(problems: Sequence[Problem]) -> list[Error]:
    return [Error(pointer(field), code, detail) for field, code, detail in problems]
