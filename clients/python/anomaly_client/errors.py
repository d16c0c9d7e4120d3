"""What can go wrong, by what the caller can do about it."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One fault of a request: a JSON pointer into the body or a parameter's name, a stable code, a sentence."""

    pointer: str
    code: str
    detail: str


class ApiError(Exception):
    """The server said no, after RFC 9457: `code` is stable, `detail` is for people, `faults` name each fault."""

    def __init__(self, status: int, code: str, detail: str, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(f"{status} {code}: {detail}" + "".join(f"\n  {one.pointer}: {one.detail}" for one in faults))
        self.status = status
        self.code = code
        self.detail = detail
        self.faults = faults
        # After how many seconds the server asks to be asked again; 0 if it does not say.
        self.wait_s = 0.0


class Invalid(ApiError):
    """The request is wrong (400, 411, 413, 415, 422): sending it again will not help."""


class NotAllowed(ApiError):
    """The key is not valid, or may not do this (401, 403)."""


class NotFound(ApiError):
    """There is no such thing (404)."""


class Conflict(ApiError):
    """It contradicts what is stored (409): `faults` name the fields that differ."""


class Gone(ApiError):
    """Events after the given one have been removed (410): read the lists, and listen without `last_event_id`."""


class TooManyRequests(ApiError):
    """More requests than the key may make (429), and the wait is longer than the client was told to wait."""


class ServerFault(ApiError):
    """The server failed or is not available (5xx), after all tries."""


class Unreachable(Exception):
    """The server could not be reached, or went away before its answer was whole, after all tries."""


OF_STATUS: dict[int, type[ApiError]] = {
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    410: Gone,
    429: TooManyRequests,
}


def error_of(status: int, body: bytes) -> ApiError:
    """The error of an answer; a proxy's page that is no problem document becomes one too."""
    try:
        told = json.loads(body)
        faults = tuple(Fault(one["pointer"], one["code"], one["detail"]) for one in told["errors"])
        code, detail = str(told["type"]).rpartition(":")[2], str(told["detail"])
    except (ValueError, KeyError, TypeError):
        code, detail, faults = "unknown", "The answer is no problem document.", ()
    kind = OF_STATUS.get(status, ServerFault if status >= 500 else Invalid)
    return kind(status, code, detail, faults)
