"""How much each group of evidence counts in raw: what tells one model from another.

Everybody's weight is 1 until somebody says otherwise. With 0 a group only breaks ties; 2 makes its second decade worth
two. Rarity and score keep their meaning whatever the weights, because the reference's own raw is weighed alike.
"""

from collections.abc import Mapping
from decimal import Decimal

from scoring.reference import GROUPS

# More would make one group the whole model, and a sum of many such lose its last bits.
HEAVIEST = 10.0


class BadWeights(ValueError):
    """The text is a sentence for people."""


def checked(given: object) -> dict[str, float]:
    """Group to weight, as a model keeps them: from 0 to HEAVIEST; a group without one counts 1. Raises BadWeights."""
    if not isinstance(given, Mapping):
        raise BadWeights('Weights are an object of groups and numbers, such as {"hour": 0.5}.')
    unknown = sorted(str(group) for group in given if group not in GROUPS)
    if unknown:
        raise BadWeights(f"There is no group {unknown[0]!r}. The groups are: {', '.join(GROUPS)}.")
    return {group: _weight(group, given[group]) for group in GROUPS if group in given}


def _weight(group: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise BadWeights(f"The weight of {group} is no number.")
    # Nothing of which NaN is a part is so.
    if not 0 <= value <= HEAVIEST:
        raise BadWeights(f"The weight of {group} is not from 0 to {HEAVIEST:g}.")
    return float(value)
