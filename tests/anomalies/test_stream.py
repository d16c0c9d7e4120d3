"""The live stream: what it takes and refuses, and that its hub tells each listener what is his, once and in order."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from anomalies import outbox, stream
from anomalies.events import OutboxEvent
from anomaly_server import hub
from tests.api import BASE, client_of, faults, problem, used_key
from tests.factories import AnalystFactory
from transactions import keys

PATH = f"{BASE}stream/"
USERS = [UUID(int=1), UUID(int=2)]
ALL = tuple(OutboxEvent.Kind.values)


def emit(count: int = 1, *, kind: str = "anomaly.created", user: int = 0, score: float | None = 50.0) -> None:
    outbox.emit_many([outbox.Event(kind, USERS[user], uuid4(), {"number": n}, score) for n in range(count)])


def positions(text: bytes) -> list[int]:
    """Of the events, in the order in which they were told."""
    blocks = [block.split(b"\n") for block in text.split(b"\n\n")]
    return [int(lines[0][4:]) for lines in blocks if len(lines) == 3 and lines[1].startswith(b"event: ")]


def told(client: Client, query: str = "", last: int | None = None) -> list[int]:
    response: Any = client.get(PATH + query, headers={} if last is None else {"Last-Event-ID": str(last)})
    assert (response.status_code, response["Content-Type"]) == (200, "text/event-stream"), response.content
    return positions(b"".join(response.streaming_content))


@pytest.fixture
def listener() -> Client:
    return client_of(used_key("stream:read"))


@pytest.mark.django_db
def test_an_event_is_told_with_its_id_type_and_data(listener: Client) -> None:
    start = stream.end()
    outbox.emit("case.opened", user_id=USERS[0], subject=USERS[0], body={"text": "a\nb"}, score=61.0)
    response: Any = listener.get(PATH, headers={"Last-Event-ID": str(start), "Accept": "text/event-stream"})
    greeting, event = response.streaming_content
    assert greeting == b"retry: 2000\n: alive\nid: %d\n\n" % start
    lines = event.decode().split("\n")
    assert lines[:2] == [f"id: {start + 1}", "event: case.opened"]
    assert lines[2].startswith('data: {"id":"evt_')
    assert lines[2].endswith('"data":{"text":"a\\nb"}}')
    assert lines[3:] == ["", ""]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "heard"),
    [
        ("", [1, 2, 3, 4]),
        ("?events=verdict.created,case.opened", [2, 5]),
        (f"?user_id={USERS[1]}", [4]),
        ("?min_score=60", [2, 4]),
        ("?min_level=high", [4]),
        (f"?min_level=low&user_id={USERS[0]}", [1, 2]),
    ],
)
def test_only_what_was_asked_for_is_told(listener: Client, query: str, heard: list[int]) -> None:
    start = stream.end()
    emit()
    emit(kind="case.opened", score=60.0)
    emit(kind="case.closed", score=None)
    emit(user=1, score=80.0)
    emit(kind="verdict.created", score=None)
    assert told(listener, query, last=start) == [start + number for number in heard]


@pytest.mark.django_db
def test_without_an_id_only_what_comes_is_told(listener: Client) -> None:
    emit(3)
    assert told(listener) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "query", ["?min_level=normal", "?events=", "?events=x", "?user_id=x", "?min_score=101", "?a=1"]
)
def test_what_cannot_be_read_is_refused(listener: Client, query: str) -> None:
    ((pointer, _code),) = faults(listener.get(PATH + query))
    assert pointer == query[1:].partition("=")[0]


@pytest.mark.django_db
def test_level_and_score_exclude_each_other_and_an_id_is_a_number(listener: Client) -> None:
    assert faults(listener.get(f"{PATH}?min_level=low&min_score=0")) == [("min_level", "invalid")]
    for wrong in ("x", "-1", "9" * 19, "1 "):
        problem(listener.get(PATH, headers={"Last-Event-ID": wrong + "x"}), 400)


@pytest.mark.django_db
def test_who_missed_what_was_removed_is_told_so(listener: Client) -> None:
    start = stream.end()
    emit(4)
    last = stream.end()
    OutboxEvent.objects.filter(position__lte=last - 2).delete()
    assert told(listener, last=last - 2) == [last - 1, last]
    for unknown in (start, last - 3, last + 1):
        gone = problem(listener.get(PATH, headers={"Last-Event-ID": str(unknown)}), 410)
        assert gone["type"] == "urn:anomaly-server:problem:gone"
    OutboxEvent.objects.all().delete()
    assert told(listener, last=last) == []
    problem(listener.get(PATH, headers={"Last-Event-ID": str(last - 1)}), 410)


@pytest.mark.django_db
def test_a_key_needs_the_scope_and_a_full_server_says_when_to_come_back(listener: Client) -> None:
    problem(client_of(used_key("anomalies:read")).get(PATH), 403)
    response = listener.get(PATH, **{stream.ROOM: lambda: False})  # type: ignore[arg-type]
    assert problem(response, 503)["detail"].startswith("As many listen")
    assert response["Retry-After"] == "5"


class Listening:
    """A hub that turns when it is told to, and its listeners' ends of the connections."""

    def __init__(self) -> None:
        self.hub = hub.Hub(most=10)
        self.hub.thread = threading.current_thread()
        self.ends: list[socket.socket] = []

    def add(self, position: int, **wanted: Any) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.settimeout(60)
        self.ends.append(ours)
        self.hub.add(theirs, stream.Listener(position, **wanted))
        return ours

    def turn(self, times: int = 3) -> None:
        for _ in range(times):
            self.hub.news, self.hub.read_at = True, 0.0
            self.hub.turn()

    def close(self) -> None:
        self.hub.forget_database()
        for one in list(self.hub.connections):
            self.hub.end(one)
        for one in self.hub.new:
            one.socket.close()
        self.hub.selector.close()
        for each in (*self.ends, self.hub.woken, self.hub.waker):
            each.close()


@pytest.fixture
def listening() -> Iterator[Listening]:
    with closing(Listening()) as made:
        yield made


def heard(end: socket.socket) -> list[int]:
    end.setblocking(False)
    found = b""
    try:
        while chunk := end.recv(1 << 20):
            found += chunk
    except BlockingIOError:
        pass
    return positions(found)


@pytest.mark.django_db(transaction=True)
def test_the_hub_tells_each_what_it_missed_and_then_what_comes(listening: Listening) -> None:
    start = stream.end()
    emit(3)
    late, fresh = listening.add(start), listening.add(stream.end())
    choosy = listening.add(start, min_score=80.0, kinds=ALL)
    listening.turn()
    emit(2)
    emit(score=90.0)
    listening.turn()
    assert heard(late) == list(range(start + 1, start + 7))
    assert heard(fresh) == [start + 4, start + 5, start + 6]
    assert heard(choosy) == [start + 6]
    listening.turn()
    assert heard(late) == []


@pytest.mark.django_db(transaction=True)
def test_the_hub_hears_of_a_commit_at_once(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "READ_AT_LEAST_EVERY_S", 1_000.0)
    start = stream.end()
    end = listening.add(start)
    listening.turn()
    emit()
    ends = time.monotonic() + 120
    found: list[int] = []
    while not found:
        assert time.monotonic() < ends
        listening.hub.turn()
        found = heard(end)
    assert found == [start + 1]


@pytest.mark.django_db(transaction=True)
def test_who_lost_the_right_hears_no_more(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    key, _text = keys.create(owner=AnalystFactory(), name="one", scopes=["stream:read"])
    other, _text = keys.create(owner=AnalystFactory(), name="two", scopes=["stream:read"])
    ended, stays = listening.add(stream.end(), key=key.prefix), listening.add(stream.end(), key=other.prefix)
    session = listening.add(stream.end(), ends=0.0)
    listening.turn()
    keys.revoke(key.prefix)
    listening.hub.rights_at = 0.0
    listening.turn()
    for end in (ended, session):
        assert end.recv(100) == b""
    assert [one.listener.key for one in listening.hub.connections] == [other.prefix]
    assert heard(stays) == []
    # A key that is revoked is looked at in time.
    assert hub.RIGHTS_S <= 60


@pytest.mark.django_db(transaction=True)
def test_who_does_not_read_is_let_go_and_nobody_waits_for_him(
    listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "UNREAD_MOST", 10_000)
    start = stream.end()
    listening.add(start)
    reads = listening.add(start)
    listening.turn()
    emitted = 0
    while len(listening.hub.connections) == 2:
        emit(200)
        emitted += 200
        listening.turn(1)
        assert len(heard(reads)) == 200
    assert emitted < 20_000
    (left,) = listening.hub.connections
    assert left.listener.position == start + emitted


@pytest.mark.django_db(transaction=True)
def test_heartbeats_come_and_whoever_hangs_up_is_forgotten(listening: Listening) -> None:
    start = stream.end()
    stays, goes = listening.add(start), listening.add(start)
    listening.turn()
    listening.hub.told_at = 0.0
    goes.close()
    listening.turn()
    assert stays.recv(100).endswith(b": alive\nid: %d\n\n" % start)
    assert len(listening.hub.connections) == 1
    assert hub.HEARTBEAT_S <= 15


@pytest.mark.django_db
def test_room_is_what_the_setting_says(settings: Settings, listening: Listening) -> None:
    listening.hub.most = 1
    assert listening.hub.has_room()
    listening.add(0)
    assert not listening.hub.has_room()
