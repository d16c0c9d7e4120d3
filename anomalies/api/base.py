"""The base of every API view: what is not declared is refused."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from hashlib import blake2b
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from orjson import Fragment
from rest_framework import exceptions
from rest_framework.permissions import SAFE_METHODS, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import DynamicRoute, Route, SimpleRouter
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from anomalies.api import deprecation, idempotency
from anomalies.api.exporting import parameters_of
from anomalies.api.guarded import Guarded, guard_of
from anomalies.api.listing import Listing
from anomalies.api.parameters import Parameters, given
from anomalies.api.problems import Error, LengthRequired, Refused
from anomalies.api.rendering import Answer, dumps

NONE = Parameters({})


class PrivateView(APIView):
    # What a view takes is in the schema.
    http_method_names = [name for name in APIView.http_method_names if name != "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = super().dispatch(request, *args, **kwargs)
        # DRF's view holds its own methods, the request and the answer, which hold the view. Left like that, the rows of
        # each page would wait for the collector of garbage, which would take a seventh of all time.
        self.request.parser_context.clear()
        vars(self).clear()
        return response

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        # It is somebody's: no cache on the way may keep it.
        response.headers.setdefault("Cache-Control", "private, no-cache")
        # Set by whoever counted the request.
        for name, value in getattr(request, "rate_limit", {}).items():
            response.headers[name] = value
        for name, value in deprecation.headers(self):
            response.headers[name] = value
        return response


class StrictViewSet(Guarded, PrivateView, GenericViewSet[Any]):
    """A viewset that takes no query parameters, but for its list, which takes those of its filters and pages.

    `queryset`, `serializer_class` and `filterset_class` are the contract. `listing` answers as they would without
    their cost: copying form fields, making models and serializing them take longer than the query itself.
    """

    listing: Listing
    # What a key needs for reading and for writing, and a person for writing; a view that lacks one takes none.
    scopes: Mapping[str, str] = {}
    write_permission: str | None = None
    # What the 404 of a row says.
    nothing: str
    # An answer with a secret in it is sealed while it is kept for repetitions.
    tells_secrets = False
    lookup_value_converter = "uuid"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.action is None:
            return  # A method that the address does not take: that is what the answer will say.
        self.given = given(request)
        self.asked = self._parameters().read(self.given)
        if self.action and request.method not in SAFE_METHODS and (key := idempotency.key_of(request)):
            self._make_safe_to_repeat(str(request.method).lower(), key)

    def _parameters(self) -> Parameters:
        if self.action == "list":
            return _of_list(type(self))
        return parameters_of(type(self)) if self.action == "export" else NONE

    def _make_safe_to_repeat(self, method: str, key: str) -> None:
        """Put `idempotency.once` around the handler that DRF is about to call."""
        work = getattr(self, method)

        def safely(request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
            return idempotency.once(self, key, lambda: work(request, *args, **kwargs))

        setattr(self, method, safely)

    def list(self, request: Request) -> Response:
        rows: Any = self.listing
        if (guard := guard_of(request)) is not None:
            rows = replace(rows, guard=guard)
        return self.get_paginated_response(self.paginate_queryset(self.filter_queryset(rows)))

    def shown(self, row: dict[str, Any]) -> Response:
        """One row as the answer, with the tag of its content; 304 without it for whoever has that content."""
        content = dumps(row)
        tag = f'"{blake2b(content, digest_size=16).hexdigest()}"'
        asked = self.request.META.get("HTTP_IF_NONE_MATCH", "")
        if asked.strip() == "*" or tag in (one.strip().removeprefix("W/") for one in asked.split(",")):
            return Response(status=HTTPStatus.NOT_MODIFIED, headers={"ETag": tag})
        return Answer(Fragment(content), headers={"ETag": tag})

    def row(self, listing: Listing, key: Any) -> dict[str, Any]:
        """The row with this key, as JSON. Raises NotFound."""
        found = listing.row(self.lookup_field, key)
        if found is None:
            raise exceptions.NotFound(self.nothing)
        return found


@cache
def _of_list(viewset: Any) -> Parameters:
    filters = {name: one.field for name, one in viewset.filterset_class.base_filters.items()}
    return Parameters({**filters, **viewset.pagination_class.fields(viewset.listing)})


class Router(SimpleRouter):
    """Names the addresses of `users` users/ `users`, users/<id>/ `user`, and users/<id>/look/ `look`.

    No page lists the addresses: the schema does.
    """

    routes = [
        Route("{prefix}/", {"get": "list", "post": "create"}, "{prefix}", detail=False, initkwargs={}),
        DynamicRoute("{prefix}/{url_path}/", "{url_name}", detail=False, initkwargs={}),
        Route(
            "{prefix}/{lookup}/",
            {"get": "retrieve", "patch": "partial_update", "delete": "destroy"},
            "{basename}",
            detail=True,
            initkwargs={},
        ),
        DynamicRoute("{prefix}/{lookup}/{url_path}/", "{url_name}", detail=True, initkwargs={}),
    ]

    def __init__(self) -> None:
        super().__init__(use_regex_path=False)

    def get_routes(self, viewset: Any) -> Any:
        (prefix,) = (prefix for prefix, registered, _ in self.registry if registered is viewset)
        return [route._replace(name=route.name.replace("{prefix}", prefix)) for route in super().get_routes(viewset)]


class NoSuchAddress(PrivateView):
    """Any other address below the API's: 404 for whoever is known, 401 for everybody else."""

    schema = None
    permission_classes = [IsAuthenticated]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        hint = "" if request.path.endswith("/") else " Addresses end with a slash."
        raise exceptions.NotFound(f"There is nothing at this address.{hint}")


def json_object(request: Request) -> dict[str, Any]:
    """The body, which must be a JSON object. Raises Refused or LengthRequired."""
    # Django reads a body without a length as an empty one, and DRF an empty one as {}.
    if request.META.get("CONTENT_LENGTH", "") in ("", "0"):
        if request.META.get("HTTP_TRANSFER_ENCODING"):
            raise LengthRequired("Send the body with a Content-Length.")
        raise Refused("The body cannot be read.", [Error("", "empty", "The body is empty: send a JSON object.")])
    body = request.data
    if not isinstance(body, dict):
        raise Refused("The body cannot be read.", [Error("", "not_an_object", "The body must be a JSON object.")])
    return body
