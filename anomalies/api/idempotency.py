"""Idempotency-Key: a request that writes may be sent again and again, and what it does happens once.

After the IETF's draft "The Idempotency-Key HTTP Header Field". The answer is kept in the database transaction of what
the request did, so there is never the one without the other. Kept is what a request was answered that began to
execute: every 2xx, and the 409 of what contradicts the stored. What was refused before (400, 401, 403, 404, 413,
415, 422, 429) did nothing, and a mended request may use its key; after a 5xx everything is undone, and the same
request is tried anew.
"""

import re
from collections.abc import Callable
from hashlib import blake2b, sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from anomalies import sealing
from anomalies.api.problems import Conflict, Error, Refused

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEPT_HOURS = 24
# No address takes a longer body: what is longer is not the body of any answer that was kept.
LONGEST_BODY = 10 << 20
BLOCK = 1 << 16
KEPT_HEADERS = ("Content-Type", "Location", "ETag")
FORGOTTEN_AT_ONCE = 1_000

SQL = Path(__file__).parents[1] / "sql"
CLAIM = (SQL / "idempotency_claim.sql").read_text()
KEEP = (SQL / "idempotency_keep.sql").read_text()
FORGET = (SQL / "idempotency_forget.sql").read_text()

# A string as RFC 8941 has it, or the same bare: printable ASCII both times.
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"').fullmatch
_BARE = re.compile(r"[!#-~][!-~]*(?: +[!-~]+)*").fullmatch
_ESCAPED = re.compile(r"\\(.)")


class KeyReused(Refused):
    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    default_code = "idempotency_key_reused"


class InFlight(Refused):
    """The first request with this key is still at work."""

    status_code = HTTPStatus.CONFLICT
    default_code = "idempotency_key_in_use"
    wait = 1


class Kept(NamedTuple):
    """An answer as it was kept."""

    request: str
    body_sha256: bytes
    status: int
    headers: dict[str, str]
    answer: bytes


class HashedBody:
    """A body that is hashed as it is read."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.hash = sha256()

    def read(self, *size: int) -> bytes:
        return self._hashed(self.stream.read(*size))

    def readline(self, *size: int) -> bytes:
        return self._hashed(self.stream.readline(*size))

    def _hashed(self, block: bytes) -> bytes:
        self.hash.update(block)
        return block

    def digest(self) -> bytes:
        """Of all of it: what nobody has read yet is read now."""
        left = LONGEST_BODY + 1
        while left > 0 and (block := self.read(min(left, BLOCK))):
            left -= len(block)
        return self.hash.digest()


def key_of(request: Request) -> str:
    """The key of a request, or "". Raises Refused for one that is none."""
    text = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if text is None:
        return ""
    if quoted := _QUOTED(text):
        key = _ESCAPED.sub(r"\1", quoted[1])
    else:
        key = text if _BARE(text) else ""
    if not 1 <= len(key) <= 255:
        detail = f"{HEADER} must be 1 to 255 printable ASCII characters, bare or in quotes."
        raise Refused("The idempotency key cannot be read.", [Error(HEADER, "invalid", detail)])
    return key


def once(view: Any, key: str, work: Callable[[], Response]) -> HttpResponse:
    """The answer of `work`, or the one kept under this key of this owner. Raises KeyReused, InFlight or as `work`."""
    request: HttpRequest = view.request._request
    asked = f"{request.method} {request.get_full_path()}"
    body = _hashed(request)
    owner = view.request.user.pk
    with transaction.atomic():
        kept = _claim(owner, key)
        if kept is not None:
            return _again(kept, asked, body, is_sealed=view.tells_secrets)
        response = _rendered(view, work)
        content = sealing.seal(response.content.decode()).encode() if view.tells_secrets else response.content
        _keep(owner, key, Kept(asked, body.digest(), response.status_code, _headers(response), content))
    return response


def forget() -> int:
    """Delete the answers that are old enough, in batches; how many. For the worker."""
    total = 0
    while deleted := _execute(FORGET, {"hours": KEPT_HOURS, "limit": FORGOTTEN_AT_ONCE}):
        total += deleted
    return total


def _hashed(request: Any) -> HashedBody:
    # Django keeps the stream there and reads it block by block; it offers no other place to listen.
    request._stream = HashedBody(request._stream)
    hashed: HashedBody = request._stream
    return hashed


def _claim(owner: int, key: str) -> Kept | None:
    """Nobody else may use the key until our database transaction ends. The answer that is kept under it, if one is.

    One round trip; the second statement sees what was committed before the lock was free.
    """
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"lock": lock_of(owner, key), "owner": owner, "key": key, "hours": KEPT_HOURS})
        (is_ours,) = cursor.fetchone()
        if not is_ours:
            # To wait would take one of few connections for each repetition.
            raise InFlight("The first request with this idempotency key is still at work. Try again.")
        cursor.nextset()
        found = cursor.fetchone()
    if found is None:
        return None
    asked, body_sha256, status, headers, answer = found
    return Kept(asked, bytes(body_sha256), status, orjson.loads(headers), bytes(answer))


def lock_of(owner: int, key: str) -> int:
    """The number of the advisory lock that whoever is at work under the key holds."""
    return int.from_bytes(blake2b(f"{owner} {key}".encode(), digest_size=8).digest(), "big", signed=True)


def _keep(owner: int, key: str, kept: Kept) -> None:
    values = {**kept._asdict(), "headers": orjson.dumps(kept.headers).decode()}
    if not _execute(KEEP, {"owner": owner, "key": key, "hours": KEPT_HOURS, **values}):
        raise InFlight("Another request with this idempotency key was faster. Try again.")


def _again(kept: Kept, asked: str, body: HashedBody, *, is_sealed: bool) -> HttpResponse:
    """The kept answer, byte for byte. Raises KeyReused for another request than its own."""
    if kept.request != asked:
        raise KeyReused(f"This idempotency key belongs to another request, {kept.request[:200]}.")
    if kept.body_sha256 != body.digest():
        raise KeyReused("This idempotency key belongs to a request with another body.")
    try:
        answer = sealing.opened(kept.answer.decode()).encode() if is_sealed else kept.answer
    except sealing.SealError as fault:
        raise KeyReused(f"The answer that was kept cannot be read any more. {fault}") from None
    return HttpResponse(answer, status=kept.status, headers={**kept.headers, REPLAYED: "true"})


def _rendered(view: Any, work: Callable[[], Response]) -> Response:
    """The answer of `work` as it will go out; of a conflict, which leaves nothing behind, too."""
    try:
        with transaction.atomic():
            response = work()
    except Conflict as conflict:
        response = view.handle_exception(conflict)
    finished: Response = view.finalize_response(view.request, response)
    finished.render()
    return finished


def _headers(response: HttpResponse) -> dict[str, str]:
    return {name: response[name] for name in KEPT_HEADERS if name in response}


def _execute(statement: str, values: dict[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        count: int = cursor.rowcount
    return count
