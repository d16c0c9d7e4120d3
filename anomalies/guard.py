"""A condition that goes with a statement: that the key by which it was asked for is what it was when it was seen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class Unsure(Exception):
    """The statement found or did nothing: for a reason of its own, or because who asks may not any more."""


@dataclass
class Guard:
    """The condition that a key is what it was, with its values; `renew` looks up user and key, or raises."""

    condition: str
    values: tuple[str, ...]
    renew: Callable[[], tuple[Any, Any]]
    # The permission of the key's owner that the condition asks for as well.
    covers: str | None = None
    # A statement has done its work under the condition.
    is_met: bool = False
