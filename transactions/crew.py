"""Other processes that work beside this one, each with connections of its own.

They are started afresh (spawn), so that nothing of a connection is shared, and hear through a pipe when to stop: also
when the process that started them is gone. One that is killed costs nothing but time, because its claim rolls back.
"""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, NamedTuple

import django
import structlog

# A member starts without Django: whatever needs it is imported in the functions.
log = structlog.get_logger(__name__)

POLL_S = 0.2
STOP = "stop"


class Job(NamedTuple):
    """What one of them does: `work` names a function, which is called with its pipe and `args`.

    The pipe takes what it has to tell; it says something, or ends, when the function is to stop.
    """

    work: str
    args: tuple[Any, ...] = ()


@dataclass(slots=True)
class Crew:
    """The processes at work, and what each has told last of what it did."""

    members: dict[Connection, SpawnProcess] = field(default_factory=dict)
    told: dict[Connection, Any] = field(default_factory=dict)

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
                log.warning("process_lost", pid=member.pid, exit_code=member.exitcode)

    @property
    def at_work(self) -> bool:
        return any(not pipe.closed for pipe in self.members)

    def begin(self, what: object) -> None:
        """What every member of a job that waits for it (`told_to_begin`) needs to begin."""
        for pipe in self.members:
            tell(pipe, what)

    def stop(self) -> None:
        """Every member stops after the piece of work that it has begun."""
        for pipe in self.members:
            if not pipe.closed:
                tell(pipe, STOP)


@contextmanager
def beside(jobs: Sequence[Job]) -> Iterator[Crew]:
    """A process for each job, in their order. At the end of the block none is left."""
    from django.db import connection

    context, crew = get_context("spawn"), Crew()
    try:
        for job in jobs:
            ours, theirs = context.Pipe()
            args = (connection.settings_dict, theirs, *job)
            member = context.Process(target=_member, args=args, name=job.work, daemon=True)
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


def _member(database: dict[str, Any], pipe: Connection, work: str, args: tuple[Any, ...]) -> None:
    """Do a job from beginning to end."""
    # A terminal's Ctrl-C and a service manager's SIGTERM reach everybody: the one who started us passes it on.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    django.setup()
    from django.db import connection
    from django.utils.module_loading import import_string

    # In a test it is not the database of the settings.
    connection.settings_dict.update(database)
    import_string(work)(pipe, *args)
    connection.close()


def told_to_begin(pipe: Connection) -> Any:
    """For a member: wait for what `Crew.begin` tells. Raises SystemExit where it is to stop, or nobody is there."""
    try:
        what = pipe.recv()
    except EOFError:
        what = STOP
    if what == STOP:
        raise SystemExit(0)
    return what


def tell(pipe: Connection, what: object) -> None:
    # Where nobody is there any more, the next look at the pipe says the same.
    with suppress(OSError):
        pipe.send(what)
