"""What many requests need and none should wait for: it is read anew after an answer has been sent, not before.

A server says when that is, by `renew_due`. In any other process a value that has grown too old is read at once.
"""

import math
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import structlog
from django.conf import settings

Value = TypeVar("Value")
log = structlog.get_logger(__name__)

# Nobody has asked for so long: then a request reads it itself, and waits, rather than go by what was.
LONGEST_S = 60.0


class Renewed(Generic[Value]):
    """What `read` returns, at most settings.LIVE_CACHE_S seconds old.

    In a server that renews after its answers the first one to find it older still goes by it, up to LONGEST_S.
    """

    def __init__(self, read: Callable[[], Value]) -> None:
        self._read = read
        self._kept: tuple[float, Value] | None = None

    def __call__(self) -> Value:
        if self._kept is not None:
            read_at, value = self._kept
            age = time.monotonic() - read_at
            if age < settings.LIVE_CACHE_S:
                return value
            if _after_answers.happens and age < LONGEST_S:
                _after_answers.due[id(self)] = self
                return value
        return self.renew()

    def renew(self) -> Value:
        """Read it now. Two threads may do so at once: both read the truth."""
        began = time.monotonic()
        value = self._read()
        self._kept = began, value
        return value

    def is_old(self) -> bool:
        return self._kept is None or time.monotonic() - self._kept[0] >= settings.LIVE_CACHE_S


class _Once:
    """Something to do once."""

    def __init__(self, renew: Callable[[], object]) -> None:
        self.renew = renew

    def is_old(self) -> bool:
        return True


class _AfterAnswers:
    """Whether somebody renews what is due after answers have been sent, and what that is."""

    def __init__(self) -> None:
        self.happens = False
        self.due: dict[int, Renewed[Any] | _Once] = {}
        self.last_failure = -math.inf

    @property
    def has_just_failed(self) -> bool:
        return time.monotonic() - self.last_failure < settings.LIVE_CACHE_S


_after_answers = _AfterAnswers()


def after_answer(do: Callable[[], object]) -> None:
    """Do what would be good to have done, such as keeping what was read, when nobody waits for it. Not at all where
    nothing is done after answers, or where it has just failed.
    """
    if _after_answers.happens and not _after_answers.has_just_failed:
        once = _Once(do)
        _after_answers.due[id(once)] = once


def renew_due() -> bool:
    """Read anew what requests found too old: whether anything was. For a server, after an answer; raises nothing.

    One thread renews a value, and those that still find the old one meanwhile do not wait. After a failure it is left
    to grow old for settings.LIVE_CACHE_S.
    """
    _after_answers.happens = True
    if _after_answers.has_just_failed:
        return False
    tried = False
    while _after_answers.due:
        try:
            _, one = _after_answers.due.popitem()
        except KeyError:  # Another thread was quicker.
            break
        tried = True
        try:
            if one.is_old():
                one.renew()
        except Exception:
            _after_answers.last_failure = time.monotonic()
            log.exception("renewal_failed")
            break
    return tried
