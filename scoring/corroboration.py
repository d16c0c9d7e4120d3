"""How far each group is to be doubted: one whose strange payments are strange for no other group.

A fraud is mostly strange in several ways, chance in one. So the population itself is asked, with no label: of the
payments that are strange for a group (one in a hundred is), how many are so for another one too, over how many that
would be by chance? If no more, what the group finds strange comes of itself. Then its first DOUBTED decades beyond the
noise do not count, and those behind them for CATCHING_UP each until nothing is missing: what is one in ten million
counts as it is, because a kind of fraud of which the population knows nothing yet is strange for one group alone, too.
Where they are FULL_LIFT times as many, or more, nothing is doubted; between the two in proportion.

Sources: lift, as of association rules (Brin et al. 1997); to leave out, without labels, those detectors that no other
one bears out: Rayana and Akoglu 2016.
Limits: groups that look at the same number bear each other out, as those of the amount do. A population whose frauds
are all strange for one group alone is told to doubt it.
"""

from scoring.columns import Bools, Floats

# One in a hundred of the population, which is as far as its tails are followed.
STRANGE = 2.0
# As often as that with others is no chance.
FULL_LIFT = 2.0
# So many payments, expected by chance to be strange for another group too, are taken to be borne out before any is
# seen: of fewer the lift is known to no better than a quarter.
PRIOR_TOGETHER = 20.0
# Both by average precision on other data than what we are judged on (docs/scoring.md). At seven decades all is caught
# up, so that the strangest, which are eight, lose nothing.
DOUBTED = 2.0
CATCHING_UP = 1.5


def lifts(strange: Bools) -> list[float]:
    """Of each of G groups, how many times as often as by chance others find its strange payments strange.

    strange (n, G): which of n payments are strange for which group. FULL_LIFT where there is nothing to tell by.
    """
    count = strange.sum(axis=1)
    found = []
    for own in strange.T:
        others = count > own
        by_chance = float(own.sum()) * float(others.mean())
        together = float((own & others).sum())
        found.append((together + FULL_LIFT * PRIOR_TOGETHER) / (by_chance + PRIOR_TOGETHER))
    return found


def doubts(surprises: Floats) -> list[float]:
    """How many decades of each of G groups are doubted: 0 to DOUBTED.

    surprises (n, G) of the population's n payments; NaN where a group knows nothing of one.
    """
    return [DOUBTED * min(max(FULL_LIFT - lift, 0.0) / (FULL_LIFT - 1), 1.0) for lift in lifts(surprises >= STRANGE)]
