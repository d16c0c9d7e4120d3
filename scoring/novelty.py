"""Novelty: the first payment of this user to a merchant, in a category, country or currency, from a device.

A key is new if none of the user's last NOVELTY_ROWS rows has it. What a new key is worth depends on how
rarely this user turns to a new one: the evidence is -log10 of the user's share of new keys among the
NOVELTY_ROWS rows before, each judged by its own NOVELTY_ROWS rows before it, and 0 where the key is not new.
The share is that of Laplace's rule of succession, (new + 1) / (payments + 2), so that a user who never
turned to a new one in 10 payments is not taken for one who did not in 200.
Sources: Laplace 1814 (rule of succession).
Limits: unknown where the row has no such key, or fewer than MINIMUM_PAST of the rows before have one. The
first rows of a user, in which everything is new, are left out of the share.
"""

import numpy as np

from scoring.amounts import MINIMUM_PAST
from scoring.columns import KEYS, Floats, Ints
from scoring.windows import NOVELTY_ROWS, Block

NAME = "novelty"
KINDS = (*KEYS, "currency")
EVIDENCE = tuple(f"new_{kind}" for kind in KINDS)
FACTS = tuple(f"{kind}_payments" for kind in KINDS)


def build(block: Block) -> list[Floats]:
    """EVIDENCE and then FACTS, each (n,) in the order of the block; facts count the earlier rows with a key."""
    found = [novelty(block, getattr(block.columns, kind), kind == "currency") for kind in KINDS]
    return [*(rarely for rarely, _ in found), *(payments for _, payments in found)]


def novelty(block: Block, key: Ints, always_known: bool) -> tuple[Floats, Floats]:
    """Evidence and fact of one kind of key, each (n,)."""
    line = block.users
    if always_known:
        key = key.astype(np.int64) + 1
    elif not key.any():
        return np.full(len(key), np.nan), np.zeros(len(key))
    oldest = line.last(NOVELTY_ROWS)
    known = key != 0
    payments = line.sums(known.astype(np.int64), oldest)
    judged = known & (payments >= MINIMUM_PAST)
    new = judged & (block.previous(key) < oldest)
    share = (line.sums(new.astype(np.int64), oldest) + 1) / (line.sums(judged.astype(np.int64), oldest) + 2)
    return np.where(judged, np.where(new, -np.log10(share), 0.0), np.nan), payments.astype(np.float64)
