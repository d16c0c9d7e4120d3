"""Loops over plain numbers, compiled when they are first called.

To import the compiler takes longer than most commands, so only what scores a row alone imports this, when it does.
Compiled code is kept from one start to the next where a program has said in which folder (`anomaly_server.compiled`).
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def compiled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The function, compiled for each kind of arguments that it is called with. Its globals are constants to it.

    Whole numbers are of 64 bits and wrap around; division by 0 gives inf or NaN, as in NumPy.
    """
    # Made when it is imported, from the environment.
    folder: str = numba.config.CACHE_DIR  # type: ignore[attr-defined]
    return numba.njit(cache=bool(folder), error_model="numpy")(function)
