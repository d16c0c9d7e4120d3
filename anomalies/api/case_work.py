"""Working on cases over HTTP: the same functions as behind the console's buttons."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar, cast
from uuid import UUID

from django.contrib.auth.models import User
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import exceptions, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from anomalies import cases, handing
from anomalies.api.base import StrictViewSet, json_object
from anomalies.api.problems import Conflict, Error
from anomalies.api.serializers import CaseSerializer, StrictSerializer
from anomalies.models import Case

Method = TypeVar("Method", bound=Callable[..., Response])
NONE_LEFT = OpenApiResponse(description="No case waits for this person.")


class OutcomeSerializer(StrictSerializer):
    """How a case ends."""

    outcome = serializers.ChoiceField(Case.Outcome.choices)


def deed(summary: str, description: str, *, body: type[StrictSerializer] | None = None) -> Callable[[Method], Method]:
    """A POST below one case, named like the method, that answers with the case as it is then."""

    def decorate(method: Method) -> Method:
        described = extend_schema(
            operation_id=f"cases_{method.__name__}",
            summary=summary,
            description=description,
            tags=["cases"],
            request=body,
            responses=CaseSerializer,
        )
        made: Any = described(action(detail=True, methods=["post"])(method))
        return cast("Method", made)

    return decorate


class CaseWork(StrictViewSet):
    """Taking, giving back and closing cases. Whoever owns the key is who works on them."""

    @extend_schema(
        operation_id="cases_next",
        summary="Take the next case",
        description=(
            "Claims the most urgent case that nobody works on for half an hour: exactly one caller gets it. "
            "204 if there is none. Claim it again to keep it for longer."
        ),
        tags=["cases"],
        request=None,
        responses={HTTPStatus.OK.value: CaseSerializer, HTTPStatus.NO_CONTENT.value: NONE_LEFT},
    )
    @action(detail=False, methods=["post"])
    def next(self, request: Request) -> Response:
        found = handing.next_case(worker(request))
        if found is None:
            return Response(status=HTTPStatus.NO_CONTENT)
        return Response(self.row(self.listing, found))

    @deed("Claim a case", "For half an hour; again renews it. 409 if it is closed or somebody else's.")
    def claim(self, request: Request, id: UUID) -> Response:  # noqa: A002
        return self._work(id, lambda: cases.claim(id, by=worker(request)))

    @deed("Release a case", "Back into the queue. 409 if it is not yours.")
    def release(self, request: Request, id: UUID) -> Response:  # noqa: A002
        return self._work(id, lambda: cases.release(id, by=worker(request)))

    @deed(
        "Close a case",
        "No verdict is given by it: see `verdicts/`. 409 if it is closed or somebody else's.",
        body=OutcomeSerializer,
    )
    def close(self, request: Request, id: UUID) -> Response:  # noqa: A002
        serializer = OutcomeSerializer(data=json_object(request))
        serializer.is_valid(raise_exception=True)
        outcome: str = serializer.validated_data["outcome"]
        return self._work(id, lambda: cases.close(id, outcome=outcome, by=worker(request)))

    def _work(self, case_id: UUID, work: Callable[[], Any]) -> Response:
        """Do it and answer with the case as it is then. Raises NotFound and Conflict."""
        try:
            work()
        except Case.DoesNotExist:
            raise exceptions.NotFound(self.nothing) from None
        except cases.CaseError as fault:
            raise Conflict(str(fault), [Error("", "not_yours", str(fault))]) from None
        return Response(self.row(self.listing, case_id))


def worker(request: Request) -> User:
    """The person who asks, or who owns the key; the permission has seen that there is one."""
    return cast("User", request.user)
