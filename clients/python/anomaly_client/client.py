"""The API's operations as methods."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit
from uuid import UUID, uuid4

from anomaly_client import bulk, tables
from anomaly_client.bulk import MOST_ROWS, RowAnswer
from anomaly_client.sending import Answer, Sender
from anomaly_client.shapes import (
    Anomaly,
    Case,
    Explanation,
    NewTransaction,
    ScoredTransaction,
    Transaction,
    User,
    Verdict,
    read,
)
from anomaly_client.stream import SILENCE_S, Stream

Shape = TypeVar("Shape")
Request = TypeVar("Request", bulk.Request, bytes)
BASE = "/api/v1/"


class Client:
    """Speaks to one server with one key, from one thread.

    Every write carries an idempotency key, so that it is sent again after a lost connection and happens once.
    `tries` counts the first one; `timeout_s` is for each; Retry-After is kept.
    """

    def __init__(
        self,
        server: str,
        key: str,
        *,
        timeout_s: float = 10.0,
        tries: int = 6,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if tries < 1:
            raise ValueError("tries must be 1 or more.")
        headers = {"Authorization": f"Bearer {key}", "Accept": "application/json", "User-Agent": "anomaly-client"}
        self._sender = Sender(server, headers, timeout_s=timeout_s, tries=tries, sleep=sleep)
        self._server = server
        self._timeout_s = timeout_s

    def __repr__(self) -> str:
        return f"Client({self._server!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._sender.close()

    def create(self, transaction: NewTransaction) -> ScoredTransaction:
        """Store and score it. The same again gives the same; other content under its id raises Conflict."""
        return read(ScoredTransaction, self._post("transactions/", transaction.body()))

    def bulk(
        self, rows: Iterable[NewTransaction], *, atomic: bool = False, at_once: int = bulk.MOST_ROWS
    ) -> Iterator[bulk.RowAnswer]:
        """Store many, at most `at_once` a request, and say of each row what became of it; they are scored later.

        Requests are sent as you read on: read to the end. With `atomic` all rows are stored, by one request, or
        none: then Invalid or Conflict names the rows (`/1/amount`), and ValueError says that they are too many.
        """
        requests = bulk.requests(rows, most_rows=min(at_once, bulk.MOST_ROWS))
        first = 0
        for request in _only_one(requests) if atomic else requests:
            answer = self._send(_bulk(atomic), request.body, bulk.MEDIA_TYPE)
            yield from bulk.answers(request, answer.body, first)
            first += len(request.ids)

    def bulk_csv(self, lines: Iterable[str], *, atomic: bool = False, at_once: int = MOST_ROWS) -> Iterator[RowAnswer]:
        """`bulk` of a table, such as `open(name, newline="", encoding="utf-8")`; its first line names the fields.

        Without ids in it, send no row again that was stored: the server cannot know it. Raises ValueError for what is
        no CSV; what came before was sent.
        """
        requests = tables.requests(lines, most_rows=min(at_once, bulk.MOST_ROWS))
        first = 0
        for body in _only_one(requests) if atomic else requests:
            told = bulk.answers_of_table(self._send(_bulk(atomic), body, tables.MEDIA_TYPE).body, first)
            yield from told
            first += len(told)

    def export(self, name: tables.List, *, kind: tables.Kind = "csv", **filters: Any) -> Iterator[bytes]:
        """A whole list as a file, block by block, with the list's filters, `fields` and `ordering`.

        `file.writelines(client.export("anomalies", level="high"))`. Read it without long pauses: the server waits for
        nobody. Raises Unreachable if it breaks off. It has a connection of its own, which ends with it.
        """
        fields = filters.get("fields")
        if isinstance(fields, list | tuple):
            filters = {**filters, "fields": ",".join(fields)}
        address = _address(f"{name}/export/", {**filters, "as": kind})
        return tables.blocks(self._sender.tried(lambda: self._sender.opened(address, {}, silence_s=self._timeout_s)))

    def transaction(self, transaction_id: UUID) -> Transaction:
        return read(Transaction, self._get(f"transactions/{transaction_id}/"))

    def explanation(self, transaction_id: UUID) -> Explanation:
        """Why any stored transaction has the score it has, flagged or not."""
        return read(Explanation, self._get(f"transactions/{transaction_id}/explanation/"))

    def transactions(self, **filters: Any) -> Iterator[Transaction]:
        """The newest first, page by page: `user_id`, `from_date`, `min_amount` … as docs/api.md lists them."""
        return self._rows(Transaction, "transactions/", filters)

    def anomalies(self, **filters: Any) -> Iterator[Anomaly]:
        return self._rows(Anomaly, "anomalies/", filters)

    def cases(self, **filters: Any) -> Iterator[Case]:
        return self._rows(Case, "cases/", filters)

    def verdicts(self, **filters: Any) -> Iterator[Verdict]:
        return self._rows(Verdict, "verdicts/", filters)

    def users(self) -> Iterator[User]:
        return self._rows(User, "users/", {})

    def user(self, user_id: UUID) -> dict[str, Any]:
        """A user in a few numbers, as JSON."""
        return self._get(f"users/{user_id}/")

    def give_verdict(
        self,
        transaction_id: UUID,
        value: str,
        *,
        note: str = "",
        source: str | None = None,
        known_at: datetime | None = None,
    ) -> Verdict:
        """Say what a transaction was: `fraud`, `legitimate`, `expected` or `unsure`."""
        body: dict[str, Any] = {"transaction_id": str(transaction_id), "value": value, "note": note}
        if source is not None:
            body["source"] = source
        if known_at is not None:
            body["known_at"] = known_at.isoformat()
        return read(Verdict, self._post("verdicts/", body))

    def next_case(self) -> Case | None:
        """Claim the most urgent case that nobody works on; None if there is none."""
        answer = self._send_json("cases/next/", None)
        return read(Case, json.loads(answer.body)) if answer.body else None

    def claim_case(self, case_id: UUID) -> Case:
        return read(Case, self._post(f"cases/{case_id}/claim/", None))

    def release_case(self, case_id: UUID) -> Case:
        return read(Case, self._post(f"cases/{case_id}/release/", None))

    def close_case(self, case_id: UUID, outcome: str) -> Case:
        return read(Case, self._post(f"cases/{case_id}/close/", {"outcome": outcome}))

    def stream(
        self,
        *,
        events: Sequence[str] = (),
        user_id: UUID | None = None,
        min_level: str | None = None,
        min_score: float | None = None,
        last_event_id: int | None = None,
        silence_s: float = SILENCE_S,
    ) -> Stream:
        """What happens, from now on or from after an event's `position` on; over a connection of its own."""
        filters = {"events": ",".join(events) or None, "user_id": user_id, "min_level": min_level}
        address = _address("stream/", {**filters, "min_score": min_score})
        return Stream(self._sender, address, last_event_id, silence_s=silence_s)

    def _rows(self, kind: type[Shape], path: str, filters: Mapping[str, Any]) -> Iterator[Shape]:
        address: str | None = _address(path, filters)
        while address is not None:
            page = json.loads(self._sender.send("GET", address).body)
            yield from (read(kind, row) for row in page["results"])
            address = page["next"] and _here(page["next"])

    def _get(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._sender.send("GET", BASE + path).body)
        return found

    def _post(self, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._send_json(path, body).body)
        return found

    def _send_json(self, path: str, body: Mapping[str, Any] | None) -> Answer:
        content = b"" if body is None else json.dumps(body, allow_nan=False).encode()
        return self._send(path, content, "application/json")

    def _send(self, path: str, content: bytes, kind: str) -> Answer:
        headers = {"Idempotency-Key": str(uuid4()), "Content-Type": kind}
        return self._sender.send("POST", BASE + path, content, headers)


def _bulk(atomic: bool) -> str:
    return "transactions/bulk/" + ("?atomic=true" if atomic else "")


def _only_one(requests: Iterator[Request]) -> Iterator[Request]:
    found = list(islice(requests, 2))
    if len(found) > 1:
        raise ValueError("These are more rows than one request can hold, so they cannot be all or none.")
    return iter(found)


def _address(path: str, filters: Mapping[str, Any]) -> str:
    given = {name: _text(value) for name, value in filters.items() if value is not None}
    return f"{BASE}{path}?{urlencode(given, quote_via=quote)}"


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _here(address: str) -> str:
    """The address on our server: the key goes to no other, whatever an answer says."""
    parts = urlsplit(address)
    path = parts.path[parts.path.index(BASE) :]
    return f"{path}?{parts.query}"
