"""Features of a user's last row, in plain numbers: those of a payment that somebody waits for.

A call of NumPy takes a microsecond and more, however little it computes, and the features of one row would make some
five hundred of them. So this repeats for one row, with the same operations in the same order, what the groups compute
for many; their docstrings say what it means. Arrays stay where every earlier row counts, and what needs them all, as
how often a user turns to a new merchant, is asked of the group itself.
"""

import math
from bisect import bisect_left

import numpy as np
from scipy.special import gammainc

from scoring import amounts, hours, joint, merchant, novelty, odd_hours, repeat, silence, spell, velocity
from scoring.columns import KEY_BITS, KEYS, Bools, Columns, Ints
from scoring.last_past import Past, Rows, past_of
from scoring.visits import DEPARTURES_US, STEPS, Visits, steps_of
from scoring.windows import (
    DAY_US,
    HISTORY_ROWS,
    HOUR_US,
    NOVELTY_ROWS,
    PAST_ROWS,
    PROFILE_ROWS,
)

NAN = math.nan
ONLY = np.zeros(1, np.intp)
AROUND = tuple((place - len(hours.KERNEL) // 2, int(part)) for place, part in enumerate(hours.KERNEL))
NEARNESS_OF_HOUR = np.ascontiguousarray(hours.NEARNESS.T)
# The bits by which keys are told apart.
KEY_MASK = np.int64((1 << KEY_BITS) - 1)


def own(columns: Columns) -> list[float]:
    """The columns of features.NAMES that rest on the user's own rows, for the last of them."""
    rows = Rows(columns if len(columns) <= HISTORY_ROWS + 1 else columns.part(-HISTORY_ROWS - 1, len(columns)))
    past = past_of(rows)
    quiet = of_silence(rows)
    return [
        *of_amounts(past),
        *of_spell(past),
        *of_velocity(rows),
        *quiet,
        *of_repeat(rows, quiet[silence.USUAL]),
        *of_novelty(rows),
        *of_odd_hours(rows),
        int(columns.minor[-1]) / 100,
        *of_hours(rows),
        *of_joint(rows),
    ]


def at_merchant(columns: Columns, visits: Visits | None, *, departs: bool) -> list[float]:
    """The others, which rest on what the last row sees of its merchant; whether it `departs` is told by the former."""
    if visits is None:
        return [NAN] * len(merchant.EVIDENCE + merchant.FACTS)
    return of_merchant(visits, int(columns.at_us[-1]), int(columns.minor[-1]), departs=departs)


def of_amounts(past: Past) -> list[float]:
    median_of_all = int(past.median[-1])
    amount = float(past.doubled[-1]) / 200
    median = known(float(median_of_all) / 200, past.count)
    deviation = known(float(past.deviation) / 400, past.count)
    whole = 200 * max(past.payments, 1)
    mean = known(float(past.winsorised[:-1].sum()) / whole, past.payments)
    spread = known(float(np.abs(past.doubled - past.median)[:-1].sum()) / whole, past.payments)
    return [
        ratio(amount, median),
        ratio(amount - median, most(amounts.SIGMA_OF_MEDIAN_DEVIATION * deviation, amounts.LEAST_SCALE * median)),
        ratio(amount, mean),
        ratio(amount - mean, most(amounts.SIGMA_OF_MEAN_DEVIATION * spread, amounts.LEAST_SCALE * mean)),
        median,
        deviation,
        float(past.count),
        mean,
        spread,
        float(past.payments),
    ]


def of_spell(past: Past) -> list[float]:
    doubled, middle_ = int(past.doubled[-1]), int(past.median[-1])
    median = known(float(middle_), past.count)
    before = int(past.large[past.spell : -1].sum())
    own = max(doubled - middle_, 0)
    spend = float(int(past.doubled[past.week : -1].sum()) + doubled) / 200
    is_long = past.span_us >= spell.SHORTEST_PROFILE_US and past.payments >= amounts.MINIMUM_PAST
    usual = float(past.winsorised[:-1].sum()) / 200 * (spell.WEEK_US / max(past.span_us, 1)) if is_long else NAN
    large = (past.large > 0).tolist()
    recent = sum(large[past.week : -1])
    rest = sum(large[:-1]) - recent
    expected = (rest + spell.PRIOR_MARKED) * (spell.WEEK_US / max(past.span_us, spell.WEEK_US))
    expected = expected if is_long and middle_ > 0 else NAN
    many = recent + large[-1]
    return [
        ratio(float(own + min(own, before)), median),
        ratio(float(before), median),
        ratio(spend, usual),
        unlikeliness(many, expected),
        float(sum(large[past.spell : -1])),
        float(before) / 200,
        spend,
        usual,
        float(many),
        expected,
    ]


def of_velocity(rows: Rows) -> list[float]:
    starts = [rows.since(window, HISTORY_ROWS) for window in velocity.WINDOWS_US]
    counts = [rows.here - start for start in starts]
    expected = [usual(rows, start, window) for start, window in zip(starts, velocity.WINDOWS_US, strict=True)]
    failed, expected_failed = failures(rows)
    return [
        *(unlikeliness(count, mean) for count, mean in zip(counts, expected, strict=True)),
        unlikeliness(failed, expected_failed),
        *map(float, counts),
        *expected,
        float(failed),
        expected_failed,
    ]


def usual(rows: Rows, start: int, window_us: int) -> float:
    """As velocity.usual."""
    oldest = rows.since(window_us + velocity.RATE_US, HISTORY_ROWS)
    span_us = rows.at_us[-1] - window_us - rows.at_us[oldest]
    enough = start - oldest >= amounts.MINIMUM_PAST and span_us >= window_us
    return (start - oldest) * (window_us / max(span_us, 1)) if enough else NAN


def failures(rows: Rows) -> tuple[int, float]:
    """As velocity.failures."""
    failed = rows.columns.failed
    day, oldest = rows.since(DAY_US), rows.last(PROFILE_ROWS)
    recent = int(np.count_nonzero(failed[day:-1]))
    earlier = int(np.count_nonzero(failed[oldest:-1])) - recent
    share = (earlier + velocity.PRIOR_FAILED) / (day - oldest + velocity.PRIOR_PAYMENTS)
    enough = rows.here - oldest >= amounts.MINIMUM_PAST
    return recent + bool(failed[-1]), (rows.here - day + 1) * share if enough else NAN


def of_silence(rows: Rows) -> list[float]:
    previous = max(rows.here - 1, 0)
    at_us = rows.at_us
    oldest = max(bisect_left(at_us, at_us[previous] - amounts.PROFILE_US), previous - PROFILE_ROWS, 0)
    payments = previous - oldest
    usual_days = known((at_us[previous] - at_us[oldest]) / DAY_US / max(payments, 1), payments)
    silent = (at_us[-1] - at_us[previous]) / DAY_US if rows.here else NAN
    return [ratio(silent, usual_days), silent, usual_days]


def of_repeat(rows: Rows, usual_days: float) -> list[float]:
    columns = rows.columns
    oldest = rows.last(NOVELTY_ROWS)
    charges = float(rows.here - oldest)
    if columns.merchant[-1] == 0 or not usual_days > 0:
        return [NAN, NAN, 0.0, charges]
    soonest = rows.since(repeat.LONGEST_PAUSE_US, NOVELTY_ROWS)
    if columns.failed[-1] or soonest == rows.here:
        return [0.0, NAN, 0.0, charges]
    key = repeat.charge(rows.block, (columns.merchant != 0) & ~columns.failed)
    alike = np.flatnonzero(is_like(key[oldest:-1], key[-1])) + oldest
    if not len(alike) or alike[-1] < soonest:
        return [0.0, NAN, 0.0, charges]
    pause_us = rows.at_us[-1] - rows.at_us[alike[-1]]
    same = float(len(alike))
    soon = -float(np.expm1(-pause_us / DAY_US / usual_days))
    chance = max(soon, repeat.LEAST_CHANCE) * same / (charges + 1)
    return [max(-float(np.log10(chance)), 0.0), pause_us / repeat.MINUTE_US, same, charges]


def of_novelty(rows: Rows) -> list[float]:
    oldest, recent = rows.last(NOVELTY_ROWS), rows.since(novelty.NEW_US, NOVELTY_ROWS)
    found = [newness(rows, kind, oldest, recent) for kind in novelty.KINDS]
    return [*(rarely for rarely, _ in found), *(payments for _, payments in found)]


def newness(rows: Rows, kind: str, oldest: int, recent: int) -> tuple[float, float]:
    """As novelty.novelty, which is asked only where the key is new and that is rare; the last day is from `recent`."""
    key, stays = getattr(rows.columns, kind), kind in novelty.OF_WHO_PAYS
    settled = key[oldest : recent if stays else -1]
    payments = int(np.count_nonzero(settled)) if kind in KEYS else len(settled)
    if payments < amounts.MINIMUM_PAST or (kind in KEYS and key[-1] == 0):
        return NAN, float(payments)
    # Most often it is that of the payment before.
    if settled[-1] == key[-1] or is_like(settled, key[-1]).any():
        return 0.0, float(payments)
    if not stays and rows.here <= NOVELTY_ROWS:
        return since_the_first(settled), float(payments)
    rarely, _ = novelty.novelty(rows.block, kind)
    return float(rarely[-1]), float(payments)


def since_the_first(key: Ints) -> float:
    """What a new key is worth after these, of which there are MINIMUM_PAST and which are all that the user has."""
    known = (key[key != 0] & KEY_MASK).tolist()
    new = len(set(known)) - len(set(known[: amounts.MINIMUM_PAST]))
    return -float(np.log10((new + 1) / (len(known) - amounts.MINIMUM_PAST + 2)))


def is_like(keys: Ints, key: np.int64) -> Bools:
    """(k,) whether each of the keys (k,) is the same as `key`, as Block.previous tells keys apart."""
    return np.asarray(((keys ^ key) & KEY_MASK) == 0)


def of_odd_hours(rows: Rows) -> list[float]:
    profile, day = rows.since(amounts.PROFILE_US), rows.since(odd_hours.WINDOW_US)
    span_us = rows.at_us[-1] - rows.at_us[profile]
    enough = span_us >= spell.SHORTEST_PROFILE_US and rows.here - profile >= amounts.MINIMUM_PAST
    hour = rows.columns.at_us // HOUR_US % hours.HOURS
    if rows.here - day < ONE_BY_ONE and not any_odd(hour, day):
        return [0.0 if enough else NAN, 0.0, NAN]
    odd = odd_from(hour, profile)
    many = sum(odd[day - profile :])
    expected = (sum(odd) - many + spell.PRIOR_MARKED) * (odd_hours.WINDOW_US / max(span_us, odd_hours.WINDOW_US))
    if not (many and enough):
        return [0.0 if enough else NAN, float(many), NAN]
    lift = max(1 + float(np.log10(many / expected)), 0.0)
    return [min(unlikeliness(many, expected), lift), float(many), expected]


# Of so many rows of a day it is quicker to ask one by one whether any hour is odd, as hardly ever one is.
ONE_BY_ONE = 12


def any_odd(hour: Ints, first: int) -> bool:
    """Whether odd_hours.is_odd says so of any row from `first` on; hour (n,) of all rows."""
    told = hour.astype(np.uint8).tobytes()
    return any(
        odd_hours.is_odd(weight_of(told[max(i - PAST_ROWS, 0) : i], told[i]), min(i, PAST_ROWS))
        for i in range(first, len(told))
    )


def weight_of(earlier: bytes, hour: int) -> int:
    """What payments at the hours `earlier` count for an hour, in parts of hours.KERNEL."""
    return sum(part * earlier.count((hour + away) % hours.HOURS) for away, part in AROUND)


def odd_from(hour: Ints, first: int) -> list[bool]:
    """As odd_hours.is_odd, of the rows from `first` on; hour (n,) of all rows."""
    start = max(first - PAST_ROWS, 0)
    hour = hour[start:]
    running = np.zeros((hours.HOURS, len(hour) + 1), np.int32)
    # Every hour's row by itself, and not every row's hours: adding up along a row takes half the time.
    NEARNESS_OF_HOUR.take(hour, axis=1).cumsum(axis=1, out=running[:, 1:])
    index = np.arange(first - start, len(hour))
    oldest, own = np.maximum(index - PAST_ROWS, 0), hour[first - start :]
    odd: list[bool] = odd_hours.is_odd(running[own, index] - running[own, oldest], index - oldest).tolist()
    return odd


def of_hours(rows: Rows) -> list[float]:
    oldest = rows.last(PROFILE_ROWS)
    hour = rows.at_us[-1] // HOUR_US % hours.HOURS
    payments = rows.here - oldest
    earlier = rows.columns.at_us[oldest:-1] // HOUR_US % hours.HOURS
    weight = int(hours.NEARNESS[:, hour][earlier].sum())
    return [float(hour), known(weight / int(hours.KERNEL.sum()), payments), float(payments)]


def of_joint(rows: Rows) -> list[float]:
    since = rows.since(joint.REPEAT_US, NOVELTY_ROWS)
    columns = rows.columns
    amount = joint.EDGES.searchsorted(columns.minor[since:], side="right")
    purse = (columns.currency[since:].astype(np.int64) << 7) | amount
    hour = columns.at_us[since:] // HOUR_US % hours.HOURS
    category = columns.category[since:]
    is_known = bool(category[-1] != 0)
    return [
        float(amount[-1]),
        float(category[-1] & joint.KEY_MASK) if is_known else NAN,
        is_first((purse << 5) | hour),
        is_first(category * joint.SPREAD + purse) if is_known else NAN,
    ]


def is_first(cell: Ints) -> float:
    """As joint.first_in."""
    return 0.0 if is_like(cell[:-1], cell[-1]).any() else 1.0


def of_merchant(visits: Visits, at_us: int, minor: int, *, departs: bool) -> list[float]:
    first, place = int(visits.first[0]), int(visits.place[0])
    payments = place - first
    enough = float(payments) if payments >= amounts.MINIMUM_PAST else NAN
    mean = float(visits.steps[place] - visits.steps[first]) / enough
    square = float(visits.squares[place] - visits.squares[first]) / enough
    spread = math.sqrt(most(square - mean * mean, 0.0))
    step = int(steps_of(np.array([minor]))[0])
    surges = [surge(visits, at_us, window) for window in merchant.WINDOWS_US]
    unlike, departed, usual_departures = departing(visits, at_us, departs=departs)
    return [
        *(chance for chance, _, _ in surges),
        unlike,
        math.sqrt((at_us - int(visits.at_us[place - 1])) / DAY_US) if payments else NAN,
        (step - mean) / most(spread, merchant.LEAST_SPREAD * STEPS),
        float(payments) if visits.known[0] else NAN,
        float(np.power(10.0, mean / STEPS)) / 100,
        spread / STEPS,
        *(count for _, count, _ in surges),
        *(mean for _, _, mean in surges),
        departed,
        usual_departures,
    ]


def surge(visits: Visits, at_us: int, window_us: int) -> tuple[float, float, float]:
    """As merchant.surge."""
    before, count, span_us = earlier(visits, at_us, window_us)
    if before < amounts.MINIMUM_PAST or span_us < window_us:
        return NAN, NAN, NAN
    expected = before * (window_us / max(span_us, 1))
    if not count + 1 > merchant.SURGE_TIMES * expected:
        return 0 * expected, float(count), expected
    chance = unlikeliness(count + 1, merchant.SURGE_TIMES * expected)
    return min(chance, 1 + float(np.log10((count + 1) / expected))), float(count), expected


def departing(visits: Visits, at_us: int, *, departs: bool) -> tuple[float, float, float]:
    """As merchant.departing."""
    before, _, span_us = earlier(visits, at_us, DEPARTURES_US)
    if before < amounts.MINIMUM_PAST or span_us < DEPARTURES_US:
        return NAN, NAN, NAN
    if not departs:
        return 0.0, NAN, NAN
    departed, recorded = (int(counts[0]) for counts in visits.departures(ONLY, np.array([at_us])))
    expected = (recorded + spell.PRIOR_MARKED) * (DEPARTURES_US / max(span_us, 1))
    return unlikeliness(departed, expected) if departed > expected else 0.0, float(departed), expected


def earlier(visits: Visits, at_us: int, window_us: int) -> tuple[int, int, int]:
    """Payments of the stretch before the window and in it, and how long the stretch is before it."""
    first, place = int(visits.first[0]), int(visits.place[0])
    start = first + int(visits.at_us[first:place].searchsorted(at_us - window_us))
    span_us = at_us - window_us - (int(visits.at_us[first]) if first < len(visits.at_us) else 0)
    return start - first, place - start, span_us


def unlikeliness(count: int, mean: float) -> float:
    """As velocity.unlikeliness."""
    if mean != mean or count == 0:
        return 0 * mean
    return -float(np.log10(max(gammainc(float(count), mean), velocity.LEAST_CHANCE)))


def known(value: float, count: int) -> float:
    """As amounts.known."""
    return NAN if count < amounts.MINIMUM_PAST else value


def ratio(above: float, below: float) -> float:
    """As amounts.ratio."""
    return above / below if below > 0 else NAN


def most(one: float, other: float) -> float:
    """The larger; unknown if one of them is, as in NumPy's maximum."""
    return NAN if one != one or other != other else max(one, other)
