"""After a restore events go on: none is told twice under another number, and none is missed."""

import uuid
from pathlib import Path

import orjson
import psycopg

from anomalies import outbox, stream
from anomaly_server.embedded_postgres import roles
from tests.embedded_postgres import children
from tests.embedded_postgres.children import Managers

KIND = "case.closed"
AFTER = "SELECT position, subject FROM outbox_events WHERE position > %s ORDER BY position"
CLEAR = "TRUNCATE outbox_events"


def happen(connection: "psycopg.Connection[tuple[object, ...]]", count: int) -> list[uuid.UUID]:
    """Write so many events and give them their positions, as the server does."""
    subjects = [uuid.uuid4() for _ in range(count)]
    rows = [{"id": uuid.uuid4(), "kind": KIND, "subject": subject, "body": {}} for subject in subjects]
    connection.execute(outbox.ADD, {"events": orjson.dumps(rows).decode(), "channel": outbox.CHANNEL})
    connection.execute(outbox.PLACE)
    return subjects


def heard(connection: "psycopg.Connection[tuple[object, ...]]", after: int) -> list[tuple[int, uuid.UUID]]:
    """What a listener who comes back is told. He is told to read the lists where that cannot be all."""
    first, last = connection.execute(stream.FIRST_AND_LAST).fetchone()  # type: ignore[misc]
    assert (last if first is None else first - 1) <= after <= last
    return connection.execute(AFTER, [after]).fetchall()  # type: ignore[return-value]


def test_a_listener_goes_on_after_what_was_forgotten(manage: Managers, installed: Path, empty: Path) -> None:
    file = empty.parent / "backup"
    with children.connect(installed, roles.OWNER) as connection:
        begun = connection.execute(stream.FIRST_AND_LAST).fetchone()[1]  # type: ignore[index]
        happen(connection, 5)
        done = manage(installed, "db", "backup", file)
        assert done.returncode == 0, done.stderr
        forgotten = happen(connection, 3)
        last = heard(connection, begun)[-1]
        assert last[1] == forgotten[-1]
    done = manage(installed, "db", "restore", file, "--yes")
    assert done.returncode == 0, done.stderr
    with children.connect(installed, roles.OWNER) as connection:
        # As many as were forgotten, and more: else their numbers would come again.
        assert heard(connection, last[0]) == []
        fresh = happen(connection, 7)
        told = heard(connection, last[0])
        assert [subject for _, subject in told] == fresh
        assert all(position > last[0] for position, _ in told)
        # Whoever had heard less hears all the same.
        assert [subject for _, subject in heard(connection, last[0] - 3)] == fresh
        connection.execute(CLEAR)


def test_a_restored_application_may_still_number_events(manage: Managers, installed: Path, empty: Path) -> None:
    file = empty.parent / "backup"
    assert manage(installed, "db", "backup", file).returncode == 0
    for _ in range(2):
        done = manage(installed, "db", "restore", file, "--yes")
        assert done.returncode == 0, done.stderr
    with children.connect(installed) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (roles.APP,)
        (subject,) = happen(connection, 1)
        assert connection.execute("SELECT subject FROM outbox_events").fetchone() == (subject,)
        connection.execute("DELETE FROM outbox_events")
