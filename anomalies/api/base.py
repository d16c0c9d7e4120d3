"""The base of every API view: what is not declared is refused."""

from typing import Any

from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from anomalies.api.paging import Listing
from anomalies.api.parameters import given, read
from anomalies.api.problems import Error, LengthRequired, Refused


class StrictView(APIView):
    """A view that takes no query parameters, unless it has a listing to read them."""

    listing: Listing | None = None
    # What a view takes is in the schema.
    http_method_names = [name for name in APIView.http_method_names if name != "options"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.listing is None or request.method not in ("GET", "HEAD"):
            read(given(request), ())

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        # It is somebody's: no cache on the way may keep it.
        response.headers.setdefault("Cache-Control", "private, no-cache")
        return response


class ListView(StrictView):
    listing: Listing

    def get(self, request: Request) -> Response:
        return Response(self.listing.page(request))


class NoSuchAddress(StrictView):
    """Any other address below the API's: 404 for whoever is known, 401 for everybody else."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super(StrictView, self).initial(request, *args, **kwargs)
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
