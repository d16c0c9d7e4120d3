"""Other processes that score beside this one, each with connections of its own.

They are started afresh (spawn), so that nothing of a connection is shared, and hear through a pipe when to stop: also
when the process that started them is gone. One that is killed costs nothing but time, because its claim rolls back.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
import structlog

if TYPE_CHECKING:
    from transactions.backlog import Summary

# A member starts without Django: whatever needs it is imported in the functions.
log = structlog.get_logger(__name__)

POLL_S = 0.2


@dataclass(slots=True)
class Crew:
    """The processes at work, and what each has told last of what it did."""

    members: dict[Connection, SpawnProcess] = field(default_factory=dict)
    told: dict[Connection, "Summary"] = field(default_factory=dict)

    def listen(self, patience_s: float = 0) -> None:
        """Take in what the members tell; waits so long for the first word."""
        while heard := wait([pipe for pipe in self.members if not pipe.closed], patience_s):
            patience_s = 0
            for pipe in heard:
                self._hear(pipe)  # type: ignore[arg-type]

    def _hear(self, pipe: Connection) -> None:
        try:
            self.told[pipe] = pipe.recv()
        except (EOFError, OSError):
            pipe.close()
            member = self.members[pipe]
            member.join()
            if member.exitcode:
                log.warning("scoring_process_lost", pid=member.pid, exit_code=member.exitcode)

    @property
    def at_work(self) -> bool:
        return any(not pipe.closed for pipe in self.members)

    def stop(self) -> None:
        """Every member stops after the batch that it has begun."""
        for pipe in self.members:
            if not pipe.closed:
                _tell(pipe, "stop")


@contextmanager
def beside(count: int, merchants_file: Path | None = None) -> Iterator[Crew]:
    """`count` processes that score what waits until nothing does. At the end of the block none is left.

    merchants_file: the folder of the run's file of merchants, if it has one.
    """
    from django.db import connection

    context, crew = get_context("spawn"), Crew()
    try:
        for _ in range(count):
            ours, theirs = context.Pipe()
            args = (connection.settings_dict, theirs, merchants_file)
            member = context.Process(target=_member, args=args, name="score", daemon=True)
            member.start()
            theirs.close()
            crew.members[ours] = member
        yield crew
    finally:
        for pipe, member in crew.members.items():
            # Only after an error here is one still at work; its batch goes back.
            if member.is_alive() and not pipe.closed:
                member.kill()
            member.join()


def _member(database: dict[str, Any], pipe: Connection, merchants_file: Path | None) -> None:
    """Score batches until nothing waits or the pipe says stop."""
    # A terminal's Ctrl-C and a service manager's SIGTERM reach everybody: the one who started us passes it on.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    django.setup()
    from django.db import connection

    from transactions import backlog, merchants

    # In a test it is not the database of the settings.
    connection.settings_dict.update(database)
    summary = backlog.Summary()
    stretches = merchants.of_file(merchants_file)
    backlog.score_batches(summary, stretches, should_stop=pipe.poll, heard=lambda: _tell(pipe, summary))
    connection.close()


def _tell(pipe: Connection, what: object) -> None:
    # Where nobody is there any more, the next look at the pipe says the same.
    with suppress(OSError):
        pipe.send(what)
