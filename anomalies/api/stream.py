"""The live stream over HTTP: who may listen, and to what."""

from http import HTTPStatus
from time import monotonic
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request

from anomalies import stream
from anomalies.api.base import PrivateView
from anomalies.api.parameters import NamesField, OneOfField, Parameters, ScoreField, StrictField, UUIDField, given
from anomalies.api.problems import Error, Refused, Unavailable
from anomalies.events import OutboxEvent
from scoring.blend import LEVELS

MEDIA_TYPE = "text/event-stream"
NEWS = (OutboxEvent.Kind.ANOMALY_CREATED, OutboxEvent.Kind.CASE_OPENED, OutboxEvent.Kind.CASE_CLOSED)
LEAST = {name: least for least, name in LEVELS}
FIELDS: dict[str, StrictField] = {
    "events": NamesField(
        options=tuple(OutboxEvent.Kind.values), initial=",".join(NEWS), help_text="Which events, separated by commas."
    ),
    "user_id": UUIDField(help_text="Only of this user."),
    "min_level": OneOfField(options=tuple(LEAST), help_text="Only from this level on."),
    "min_score": ScoreField(help_text="Only from this score on; of a case, its priority."),
}
PARAMETERS = Parameters(FIELDS)
# A session may end any time: whoever listens with one shows it again so often, by coming back.
SESSION_S = 60
# Where the server cannot hold connections open, an answer tells at most so many events and ends.
AT_ONCE = 1_000


class Gone(Refused):
    status_code = HTTPStatus.GONE
    default_code = "gone"


class NoRoom(Unavailable):
    default_detail = "As many listen as this server can serve. Try again."


class AnyAnswer(BaseContentNegotiation):
    """Errors are problem documents also to whoever accepts nothing but events."""

    def select_parser(self, _request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, _request: Request, renderers: Any, _suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class StreamView(PrivateView):
    """Events as they happen."""

    http_method_names = ["get"]
    content_negotiation_class = AnyAnswer
    scopes = {"read": "stream:read"}
    write_permission = None
    # As viewsets have it, for the schema.
    action = "listen"

    @extend_schema(
        operation_id="stream_listen",
        summary="Listen to what happens",
        description=(
            "Server-sent events, as they happen: new anomalies and cases. Each has an `id`; sent back as "
            "`Last-Event-ID`, it makes the stream go on after it, without loss or repetition. 410 says that events "
            "after it have been removed meanwhile: read the lists, and begin without it."
        ),
        tags=["stream"],
        parameters=[
            *(
                OpenApiParameter(name, one.described(), required=False, description=str(one.help_text))
                for name, one in FIELDS.items()
            ),
            OpenApiParameter("Last-Event-ID", OpenApiTypes.INT64, OpenApiParameter.HEADER, description="Go on there."),
        ],
        responses={
            (200, MEDIA_TYPE): OpenApiResponse(OpenApiTypes.STR, "Events, for as long as you listen."),
            410: OpenApiResponse(description="Gone"),
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        listener = _listener(request)
        environ = request.META
        if request.method == "HEAD":
            response: HttpResponseBase = HttpResponse()
        elif stream.ROOM not in environ:
            told = b"".join(map(stream.written, listener.missed(AT_ONCE)))
            response = StreamingHttpResponse([stream.greeting(listener.position), told])
        elif environ[stream.ROOM]():
            environ[stream.LISTENER] = listener
            response = StreamingHttpResponse([stream.greeting(listener.position)])
        else:
            raise NoRoom
        response["Content-Type"] = MEDIA_TYPE
        # nginx would keep events until it has some kilobytes of them.
        response["X-Accel-Buffering"] = "no"
        return response


def _listener(request: Request) -> stream.Listener:
    """What the request asks for. Raises Refused and Gone."""
    asked = PARAMETERS.read(given(request))
    if asked["min_level"] and asked["min_score"] is not None:
        raise Refused(
            "A query parameter is wrong.",
            [Error("min_level", "invalid", "min_level and min_score exclude each other.")],
        )
    least = LEAST[asked["min_level"]] if asked["min_level"] else asked["min_score"]
    position = _position(request.META.get("HTTP_LAST_EVENT_ID", ""))
    key: Any = request.auth
    rights: dict[str, Any] = {"key": key.prefix} if key else {"ends": monotonic() + SESSION_S}
    return stream.Listener(position, asked["events"], asked["user_id"], least, **rights)


def _position(text: str) -> int:
    """Where to go on: after the given position, or after all that has happened. Raises Refused and Gone."""
    if not text:
        return stream.end()
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Refused("Last-Event-ID is not an id of this stream.")
    if not stream.is_known(int(text)):
        raise Gone("Events after this id have been removed. Read the lists, and listen without Last-Event-ID.")
    return int(text)
