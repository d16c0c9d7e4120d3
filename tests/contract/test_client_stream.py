"""The Python client's live stream, against the real server and ones that fail."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from itertools import islice
from uuid import UUID, uuid4

import pytest
from anomaly_client import Client, Gone, Invalid, NotAllowed, Unreachable, Verdict

from tests.contract.conftest import Served
from tests.contract.payments import new
from tests.contract.proxies import answering, severable
from tests.contract.test_client import BUSY

VERDICTS = ["verdict.created"]
KIND = {"Content-Type": "text/event-stream"}


# Less than the server's heartbeats take: who hears no event is told so, and does not listen for ever.
SILENCE_S = 10


def lost(_: float) -> None:
    pytest.fail("It hears nothing.")


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with Client(served.address, served.key, sleep=lost) as client:
        yield client


def verdicts(client: Client, user: UUID, count: int) -> list[Verdict]:
    transaction = client.create(new(user_id=user))
    return [client.give_verdict(transaction.id, "fraud") for _ in range(count)]


def told(*positions: int) -> bytes:
    """Events as the server writes them."""
    blocks = (
        f'id: {position}\nevent: case.opened\ndata: {{"id": "evt_{position}", "type": "case.opened",'
        f' "timestamp": "2026-01-31T08:30:00.123456Z", "data": {{"number": {position}}}}}\n\n'
        for position in positions
    )
    return "".join(blocks).encode()


def test_events_are_heard_from_now_on_and_after_any_of_them(client: Client) -> None:
    user = uuid4()
    verdicts(client, user, 1)
    with client.stream(events=VERDICTS, user_id=user, silence_s=SILENCE_S) as stream:
        given = verdicts(client, user, 3)
        heard = list(islice(stream, 3))
    assert [one.data["verdict_id"] for one in heard] == [str(one.id) for one in given]
    assert {(one.kind, one.data["user_id"], one.id[:4]) for one in heard} == {("verdict.created", str(user), "evt_")}
    assert all(one.at.tzinfo is not None for one in heard)
    assert stream.last_event_id == heard[-1].position
    after = heard[0].position
    with client.stream(events=VERDICTS, user_id=user, last_event_id=after, silence_s=SILENCE_S) as again:
        assert list(islice(again, 2)) == heard[1:]


def test_after_a_broken_connection_nothing_is_missed_and_nothing_comes_twice(served: Served, client: Client) -> None:
    user, heard, waits = uuid4(), [], []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        assert len(waits) < 6, "It comes back again and again, and hears nothing."

    with severable(served.address) as line, Client(line.address, served.key, sleep=wait) as listener:
        stream = listener.stream(events=VERDICTS, user_id=user, silence_s=SILENCE_S)
        # Before it has heard an event at all, too.
        line.cut()
        given = verdicts(client, user, 2)
        heard += islice(stream, 2)
        for _ in range(3):
            given += verdicts(client, user, 1)
            line.cut()
            given += verdicts(client, user, 1)
            heard += islice(stream, 2)
        stream.close()
    assert [one.data["verdict_id"] for one in heard] == [str(one.id) for one in given]
    # Two seconds are what the server asks for.
    assert len(waits) == 4
    assert all(2 <= wait < 3 for wait in waits)


def test_it_asks_for_what_it_is_told_to_and_goes_on_after_heartbeats_and_events() -> None:
    asked = []

    def note(one: BaseHTTPRequestHandler) -> None:
        asked.append((one.path, one.headers["Last-Event-ID"], one.headers["Authorization"]))

    user, waits = uuid4(), []
    first = b"retry: 700\n: alive\nid: 7\n\n" + b"id: 9\nevent: case.ope"
    second = b": alive\r\nid: 7\r\n\r\n" + told(9, 12) + b": alive\nid: 20\n\n"
    answers = [(200, KIND, first), (503, {"Retry-After": "3"}, BUSY), (200, KIND, second), (200, KIND, told(21, 22))]
    with answering(answers, note) as address, Client(address, "key", sleep=waits.append) as client:
        stream = client.stream(events=["case.opened"], user_id=user, min_level="high", last_event_id=5)
        heard = [(one.position, one.data["number"]) for one in islice(stream, 4)]
        stream.close()
        assert list(stream) == []
    assert heard == [(9, 9), (12, 12), (21, 21), (22, 22)]
    path = f"/api/v1/stream/?events=case.opened&user_id={user}&min_level=high"
    assert asked == [(path, last, "Bearer key") for last in ("5", "7", "7", "20")]
    assert [wait >= least for wait, least in zip(waits, (0.7, 3, 0.7), strict=True)] == [True] * 3


def test_a_stream_that_falls_silent_is_broken() -> None:
    with answering([None, (200, KIND, told(1)), None, None]) as address:
        client = Client(address, "key", tries=2, sleep=lambda _: None)
        stream = client.stream(silence_s=0.2)
        assert next(stream).position == 1
        with pytest.raises(Unreachable, match="Timeout"):
            next(stream)


def test_what_cannot_be_heard_is_a_typed_error(served: Served, client: Client) -> None:
    with pytest.raises(Gone, match="Read the lists"):
        client.stream(last_event_id=10**15)
    with pytest.raises(Invalid) as invalid:
        client.stream(min_level="odd")
    assert [one.pointer for one in invalid.value.faults] == ["min_level"]
    with Client(served.address, "secret") as stranger, pytest.raises(NotAllowed):
        stranger.stream()
