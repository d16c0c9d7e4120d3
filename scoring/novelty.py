"""Novelty: the first payment of this user to a merchant, in a category, country or currency, from a device.

A key is new if none of the user's last NOVELTY_ROWS rows has it. A country, a device or a currency, which come with
whoever pays, stays new for a day: one who took over an account pays more than once, and what he paid with an hour ago
is no better known for it. What a new key is worth depends on how rarely this user pays with one: the evidence is -log10
of the user's share of new keys among the NOVELTY_ROWS rows before, each judged by its own NOVELTY_ROWS rows before it,
and 0 where the key is not new. The share is that of Laplace's rule of succession, (new + 1) / (payments + 2), so that a
user who never turned to a new one in 10 payments is not taken for one who did not in 200.
Sources: Laplace 1814 (rule of succession).
Limits: unknown where the row has no such key, or fewer than MINIMUM_PAST of the rows before have one; of what stays new
for a day, of the rows before that day. The first rows of a user, in which everything is new, are left out of the share.
After the day nobody asks how a key came to be known.
"""

import numpy as np

from scoring.amounts import MINIMUM_PAST
from scoring.columns import KEYS, Floats
from scoring.windows import DAY_US, NOVELTY_ROWS, Block

NAME = "novelty"
KINDS = (*KEYS, "currency")
EVIDENCE = tuple(f"new_{kind}" for kind in KINDS)
FACTS = tuple(f"{kind}_payments" for kind in KINDS)

# What comes with whoever pays, and how long it stays new.
OF_WHO_PAYS = ("country", "device", "currency")
NEW_US = DAY_US


def build(block: Block) -> list[Floats]:
    """EVIDENCE and then FACTS, each (n,) in the order of the block; facts count the rows with a key that settle it."""
    found = [novelty(block, kind) for kind in KINDS]
    return [*(rarely for rarely, _ in found), *(payments for _, payments in found)]


def novelty(block: Block, kind: str) -> tuple[Floats, Floats]:
    """Evidence and fact of one kind of key, each (n,)."""
    line, key = block.users, getattr(block.columns, kind)
    if kind not in KEYS:
        # Always known.
        key = key.astype(np.int64) + 1
    elif not key.any():
        return np.full(len(key), np.nan), np.zeros(len(key))
    oldest, known = line.last(NOVELTY_ROWS), key != 0
    payments = line.sums(known.astype(np.int64), oldest)
    if kind in OF_WHO_PAYS:
        recent = line.since(NEW_US, NOVELTY_ROWS)
        payments -= line.sums(known.astype(np.int64), recent)
        latest = block.latest(key, recent)
    else:
        latest = block.previous(key)
    judged = known & (payments >= MINIMUM_PAST)
    new = judged & (latest < oldest)
    share = (line.sums(new.astype(np.int64), oldest) + 1) / (line.sums(judged.astype(np.int64), oldest) + 2)
    return np.where(judged, np.where(new, -np.log10(share), 0.0), np.nan), payments.astype(np.float64)
