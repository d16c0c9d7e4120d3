"""The amount against what the population pays in the same currency.

The reference keeps the upper tail of the amounts of each currency; the evidence is the surprise of the
amount in it. It needs no past of the user.
Limits: a currency with fewer than tails.MINIMUM_VALUES payments in the reference is unknown; amounts of
different currencies are never compared.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from scoring import tails
from scoring.columns import Floats, by_currency
from scoring.tails import Tail
from scoring.windows import Block

NAME = "population_amount"
EVIDENCE = ("amount_in_population",)
FACTS = ("amount",)


def build(block: Block) -> list[Floats]:
    """FACTS, each (n,): the amount in currency units."""
    return [block.columns.minor / 100]


def fit(amount: Floats, currency: NDArray[np.int32]) -> dict[int, Tail]:
    """The tail of the amounts of each currency that has enough of them."""
    fitted = {int(code): tails.fit(amount[currency == code]) for code in np.unique(currency)}
    return {code: tail for code, tail in fitted.items() if tail is not None}


def surprise(amount: Floats, currency: NDArray[np.int32], known: Mapping[int, Tail]) -> Floats:
    """(n,) surprise of each amount in its currency's tail; NaN in a currency that is not known."""
    result = np.full(len(amount), np.nan)
    for tail, rows in by_currency(currency, known):
        result[rows] = tail.surprise(amount[rows])
    return result
