"""One load: chunk by chunk, each committed together with how far it went.

A load is known by its digest. Killed, stopped or cut off from the database, it goes on from the last committed
chunk; run again, it finds that it is finished; run twice at once, the second waits for the first.
"""

import gc
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import Protocol

import psycopg
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.utils import timezone

from transactions import intake
from transactions.loading import rehearsal
from transactions.loading.chunks import Chunk, ahead
from transactions.loading.failures import LoadFailed
from transactions.loading.rejects import Mark, Reject, RejectFile
from transactions.loading.summary import SHOWN, Example, FileSummary, Tally
from transactions.models import Load
from transactions.rows import Problem, Row
from transactions.store import Outcome, RefusedByDatabase, Written
from transactions.taken import Taken

# How often a load that waits for another one of the same file asks whether it may begin.
ASK_AGAIN_S = 0.2
COLLECT_AFTER_CHUNKS = 50
COUNTS = ("position", "line", "accepted", "duplicate", "conflict", "rejected")
MARK = ("reject_path", "reject_size", "reject_crc")

Say = Callable[[str], object]
# Called with how far a load has got, of its size.
Progress = Callable[[int], None]
# What became of each row, in their order.
Store = Callable[[Sequence[Row]], Sequence[Taken | Written]]


class Job(Protocol):
    """Something to load: a file, or the demo data."""

    name: str
    digest: str
    size: int
    rejects: RejectFile | None

    def chunks(self, position: int, line: int, max_rejects: int | None) -> Generator[Chunk]:
        """The rows from `position` on."""

    def check_complete(self) -> None:
        """Raises LoadFailed if what was read is not what was examined."""


class TooManyRejects(LoadFailed):
    """More rows were refused than --max-rejects allows."""


def run(
    job: Job,
    *,
    summary: FileSummary,
    again: bool = False,
    max_rejects: int | None = None,
    say: Say,
    progress: Progress,
    should_stop: Callable[[], bool],
) -> None:
    """Load `job` to its end, or until asked to stop; `summary` tells at any moment what is committed.

    Raises LoadFailed. Main thread, outside any transaction.
    """
    with _losses_told(summary), _alone(job, say, should_stop) as mine:
        if mine:
            _load(job, summary, again, max_rejects, progress, should_stop)


def rehearse(
    job: Job,
    *,
    summary: FileSummary,
    max_rejects: int | None = None,
    progress: Progress,
    should_stop: Callable[[], bool],
) -> None:
    """What `run` would do, from the beginning: everything is checked and compared, nothing is stored."""
    with _losses_told(summary), rehearsal.stage() as store, closing(_in_turn(job, 0, 0, max_rejects)) as chunks:
        for chunk in chunks:
            tally, rejects = _stored(chunk, store)
            _count(summary, tally, rejects, chunk)
            progress(chunk.position)
            _check_rejects(summary, max_rejects)
            if should_stop():
                return
    summary.finished = True


@contextmanager
def _alone(job: Job, say: Say, should_stop: Callable[[], bool]) -> Iterator[bool]:
    """Hold the lock of the load's digest; False if asked to stop while another run held it."""
    key = int.from_bytes(bytes.fromhex(job.digest)[:8], "big", signed=True)
    told = False
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
        while not cursor.fetchone()[0]:
            if not told:
                say(f"Another run is loading {job.name}; waiting for it.")
                told = True
            if should_stop():
                yield False
                return
            time.sleep(ASK_AGAIN_S)
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
    try:
        yield True
    finally:
        # A lost connection has let go of the lock already.
        with suppress(DatabaseError, InterfaceError, psycopg.Error), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


def _load(
    job: Job,
    summary: FileSummary,
    again: bool,
    max_rejects: int | None,
    progress: Progress,
    should_stop: Callable[[], bool],
) -> None:
    if again:
        Load.objects.filter(digest=job.digest).delete()
    state, _ = Load.objects.get_or_create(digest=job.digest, defaults={"name": job.name})
    done = (state.accepted, state.duplicate, state.conflict, state.rejected)
    summary.tally, summary.earlier = Tally(*done), Tally(*done)
    summary.line, summary.reject_path = state.line, state.reject_path
    summary.finished = state.finished_at is not None
    progress(state.position)
    _check_rejects(summary, max_rejects)
    if summary.finished:
        return
    left = None if max_rejects is None else max_rejects - summary.tally.rejected
    with _rejects_of(job, state), closing(_in_turn(job, state.position, state.line, left)) as chunks:
        for chunk in chunks:
            _commit(job, state, summary, chunk)
            progress(state.position)
            _check_rejects(summary, max_rejects)
            if should_stop() and state.position < job.size:
                return
    job.check_complete()
    Load.objects.filter(digest=job.digest).update(finished_at=timezone.now())
    summary.finished = True


def _in_turn(job: Job, position: int, line: int, max_rejects: int | None) -> Generator[Chunk]:
    """The chunks, without Python's search for cyclic garbage: it takes half of the time and finds next to none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        with closing(ahead(job.chunks(position, line, max_rejects))) as chunks:
            for number, chunk in enumerate(chunks, 1):
                yield chunk
                if not number % COLLECT_AFTER_CHUNKS:
                    gc.collect()
    finally:
        if was_on:
            gc.enable()


@contextmanager
def _rejects_of(job: Job, state: Load) -> Iterator[None]:
    """The reject file, open; one that stayed empty is taken away."""
    if not job.rejects:
        yield
        return
    keep = partial(_keep, state)
    with closing(job.rejects):
        job.rejects.begin(Mark(state.reject_path, state.reject_size, state.reject_crc), keep)
        yield
        if not job.rejects.mark.size:
            job.rejects.remove(keep)


def _keep(state: Load, mark: Mark) -> None:
    state.reject_path, state.reject_size, state.reject_crc = mark
    state.save(update_fields=MARK)


def _commit(job: Job, state: Load, summary: FileSummary, chunk: Chunk) -> None:
    """The chunk's rows, its rejects and the new position: all or nothing."""
    with transaction.atomic():
        tally, rejects = _stored(chunk, _take)
        # If the commit fails, what this wrote to the reject file is cut off by the next run. It is not taken
        # back here: a commit whose answer got lost may have happened.
        mark = job.rejects.append(rejects) if job.rejects else Mark()
        _advance(state, chunk, tally, mark)
    _count(summary, tally, rejects, chunk)
    summary.reject_path = mark.path if mark.size else ""


def _take(rows: Sequence[Row]) -> Sequence[Taken]:
    # Storing and marking as pending is one step, which a refusal by the database takes back whole.
    with transaction.atomic():
        return intake.take(rows, score=False)


def _stored(chunk: Chunk, store: Store) -> tuple[Tally, list[Reject]]:
    """Store the rows; what became of them, and the chunk's rejects with its conflicts, by line."""
    rejects, tally = list(chunk.rejects), Tally()
    while True:
        try:
            written = store(chunk.rows)
            break
        except RefusedByDatabase as refused:
            if refused.position is None:
                raise
            rejects.append(Reject(chunk.records.pop(refused.position), refused.problems))
            chunk.rows.pop(refused.position)
    tally.rejected = len(rejects)
    outcomes = Counter(one.outcome for one in written)
    tally.accepted, tally.duplicate = outcomes[Outcome.CREATED], outcomes[Outcome.DUPLICATE]
    tally.conflict = outcomes[Outcome.CONFLICT]
    if tally.conflict:
        conflicts = [(at, one.fields) for at, one in enumerate(written) if one.outcome is Outcome.CONFLICT]
        rejects += [Reject(chunk.records[at], [_conflict(fields)]) for at, fields in conflicts]
    rejects.sort(key=lambda reject: reject.record.line)
    return tally, rejects


def _conflict(fields: Sequence[str]) -> Problem:
    names = ", ".join(fields)
    return Problem("id", "conflict", f"A transaction with this id is stored already, with another {names}: it stays.")


def _advance(state: Load, chunk: Chunk, tally: Tally, mark: Mark) -> None:
    was = state.position
    state.position, state.line = chunk.position, chunk.line
    state.accepted += tally.accepted
    state.duplicate += tally.duplicate
    state.conflict += tally.conflict
    state.rejected += tally.rejected
    state.reject_path, state.reject_size, state.reject_crc = mark
    values = {name: getattr(state, name) for name in (*COUNTS, *MARK)}
    if not Load.objects.filter(digest=state.digest, position=was).update(**values):
        raise LoadFailed(f"The load of {state.name} was changed by somebody else meanwhile: run it again.")


def _count(summary: FileSummary, tally: Tally, rejects: Sequence[Reject], chunk: Chunk) -> None:
    summary.tally.add(tally)
    summary.line = chunk.line
    room = SHOWN - len(summary.examples)
    summary.examples += [Example(reject.record.line, *reject.problems[0]) for reject in rejects[: max(room, 0)]]
    for _, problems in rejects:
        summary.reasons.update({f"{problem.field or 'row'}: {problem.code}" for problem in problems})


def _check_rejects(summary: FileSummary, max_rejects: int | None) -> None:
    if max_rejects is not None and summary.tally.rejected > max_rejects:
        raise TooManyRejects(
            f"{summary.name}: more than {max_rejects:,} rows were rejected (--max-rejects), the last in line "
            f"{summary.line:,}. What was loaded before stays; mend the rows, or allow more, and run it again."
        )


@contextmanager
def _losses_told(summary: FileSummary) -> Iterator[None]:
    """A failure of the database as a sentence. COPY raises psycopg's own errors, which Django does not wrap."""
    try:
        yield
    except (DatabaseError, InterfaceError, psycopg.Error) as error:
        reason = str(error).strip().split("\n")[0]
        raise LoadFailed(
            f"The database failed ({reason}). {summary.tally.rows:,} rows of {summary.name} are done, up to line "
            f"{summary.line:,}. Run the same command again to go on."
        ) from error
