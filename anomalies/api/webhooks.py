"""Webhooks over HTTP: endpoints, and what is delivered to them."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.db.models import Q
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import exceptions
from rest_framework.decorators import action
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from anomalies.api import webhook_shapes as shapes
from anomalies.api.base import StrictViewSet, json_object
from anomalies.api.filtering import DeclaredFilters
from anomalies.api.paging import KeysetPagination
from anomalies.api.permissions import Scoped
from anomalies.api.problems import Error, Refused
from anomalies.api.serializers import StrictSerializer
from anomalies.webhooks import deliveries, endpoints
from anomalies.webhooks.models import WebhookDelivery, WebhookEndpoint

# What the body calls it.
NAMES = {"kinds": "events"}
TAGS = ["webhooks"]


class MayManage(BasePermission):
    """URLs of endpoints are not everybody's to read: some have a password in their path."""

    def has_permission(self, request: Request, view: Any) -> bool:
        deed = {"create": "add", "destroy": "delete"}.get(view.action, "view")
        return view.action is None or request.user.has_perm(f"anomalies.{deed}_webhookendpoint")


class Managed(StrictViewSet):
    """What only those who manage webhooks get to see."""

    filter_backends = [DeclaredFilters]
    pagination_class = KeysetPagination
    lookup_field = "id"
    permission_classes = [Scoped, MayManage]
    scopes = {"read": "webhooks:read", "write": "webhooks:write"}
    write_permission = "anomalies.change_webhookendpoint"

    def retrieve(self, _request: Request, id: UUID) -> Response:  # noqa: A002
        return self.shown(self.row(self.listing, id))

    def stored(self, pk: UUID) -> Any:
        """The row itself. Raises NotFound."""
        found = self.get_queryset().filter(pk=pk).first()
        if found is None:
            raise exceptions.NotFound(self.nothing)
        return found


@extend_schema_view(
    list=extend_schema(operation_id="webhooks_list", summary="List webhook endpoints", tags=TAGS),
    retrieve=extend_schema(operation_id="webhooks_retrieve", summary="Show a webhook endpoint", tags=TAGS),
)
class WebhookViewSet(Managed):
    """Addresses to which chosen events are posted."""

    queryset = WebhookEndpoint.objects.order_by("-created_at", "id")
    serializer_class = shapes.WebhookSerializer
    filterset_class = shapes.WebhookFilters
    listing = shapes.WEBHOOKS
    nothing = "There is no such webhook endpoint."
    tells_secrets = True

    @extend_schema(
        operation_id="webhooks_create",
        summary="Make a webhook endpoint",
        description="It is told what happens from now on. The secret is shown this once.",
        tags=TAGS,
        request=shapes.NewWebhookSerializer,
        responses={HTTPStatus.CREATED.value: shapes.WebhookWithSecretSerializer},
    )
    def create(self, request: Request) -> Response:
        given = _read(shapes.NewWebhookSerializer, request)
        made = _or_refused(lambda: endpoints.create(owner=request.user, **given))
        return Response(self._with_secret(made), status=HTTPStatus.CREATED)

    @extend_schema(
        operation_id="webhooks_update",
        summary="Change a webhook endpoint",
        tags=TAGS,
        request=shapes.ChangedWebhookSerializer,
        responses=shapes.WebhookSerializer,
    )
    def partial_update(self, request: Request, id: UUID) -> Response:  # noqa: A002
        endpoint, given = self.stored(id), _read(shapes.ChangedWebhookSerializer, request)
        _or_refused(lambda: endpoints.change(endpoint, by=request.user, **given))
        return Response(self.row(self.listing, id))

    @extend_schema(
        operation_id="webhooks_delete",
        summary="Remove a webhook endpoint",
        description="With all that waits for it.",
        tags=TAGS,
        request=None,
        responses={HTTPStatus.NO_CONTENT.value: None},
    )
    def destroy(self, request: Request, id: UUID) -> Response:  # noqa: A002
        endpoints.remove(self.stored(id), by=request.user)
        return Response(status=HTTPStatus.NO_CONTENT)

    @extend_schema(
        operation_id="webhooks_test",
        summary="Send a test message",
        description="Now, of type `webhook.test`; the answer says what came back. It is not repeated or logged.",
        tags=TAGS,
        request=None,
        responses=shapes.WebhookAnswerSerializer,
    )
    @action(detail=True, methods=["post"])
    def test(self, request: Request, id: UUID) -> Response:  # noqa: A002
        answer = endpoints.test(self.stored(id), by=request.user)
        return Response({"taken": answer.is_taken, **answer.told(), "error": answer.error or None})

    @extend_schema(
        operation_id="webhooks_rotate",
        summary="Give it a new secret",
        description="Shown this once. For a day messages are signed with the old one as well.",
        tags=TAGS,
        request=None,
        responses=shapes.WebhookWithSecretSerializer,
    )
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, id: UUID) -> Response:  # noqa: A002
        return Response(self._with_secret(endpoints.rotate(self.stored(id), by=request.user)))

    @extend_schema(
        operation_id="webhooks_replay",
        summary="Send again what was given up",
        tags=TAGS,
        request=shapes.SinceSerializer,
        responses=shapes.ReplayedSerializer,
    )
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, id: UUID) -> Response:  # noqa: A002
        endpoint, given = self.stored(id), _read(shapes.SinceSerializer, request)
        chosen = deliveries.failed_since(given.get("since"))
        return Response({"deliveries": deliveries.replay(endpoint, chosen, by=request.user)})

    def _with_secret(self, endpoint: WebhookEndpoint) -> dict[str, Any]:
        return {**self.row(self.listing, endpoint.pk), "secret": endpoint.secret}


@extend_schema_view(
    list=extend_schema(operation_id="webhook_deliveries_list", summary="List deliveries", tags=TAGS),
    retrieve=extend_schema(operation_id="webhook_deliveries_retrieve", summary="Show a delivery", tags=TAGS),
)
class WebhookDeliveryViewSet(Managed):
    """Events on their way to endpoints, kept for some days."""

    queryset = WebhookDelivery.objects.select_related("endpoint").order_by("-created_at", "id")
    serializer_class = shapes.WebhookDeliverySerializer
    filterset_class = shapes.WebhookDeliveryFilters
    listing = shapes.DELIVERIES
    nothing = "There is no such delivery."

    @extend_schema(
        operation_id="webhook_deliveries_replay",
        summary="Send a delivery again",
        description="With the same id. Nothing happens to one that still waits.",
        tags=TAGS,
        request=None,
        responses=shapes.ReplayedSerializer,
    )
    @action(detail=True, methods=["post"], url_name="webhook-delivery-replay")
    def replay(self, request: Request, id: UUID) -> Response:  # noqa: A002
        chosen = self.stored(id)
        return Response({"deliveries": deliveries.replay(chosen.endpoint, Q(pk=id), by=request.user)})


def _read(shape: type[StrictSerializer], request: Request) -> dict[str, Any]:
    serializer = shape(data=json_object(request))
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _or_refused(work: Callable[[], WebhookEndpoint]) -> WebhookEndpoint:
    try:
        return work()
    except endpoints.EndpointError as fault:
        error = Error("/" + NAMES.get(fault.field, fault.field), "invalid", str(fault))
        raise Refused("This cannot be an endpoint.", [error]) from None
