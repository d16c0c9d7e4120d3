"""Features of a user's last row, by his own rows before it: those of a payment that somebody waits for.

A call of NumPy takes a microsecond and more, however little it computes, and several where what it needs has left the
processor's caches since the last payment; the features of one row would make some five hundred of them. So this repeats
for one row, in compiled loops with the same operations on the same numbers, what the groups compute for many; their
docstrings say what it means. Logarithms and the Poisson chances are taken by the same functions as there, of all at
once: another one's last bit may differ.
"""

import math

import numpy as np
from scipy.special import gammainc

from scoring import amounts, hours, joint, merchant, novelty, odd_hours, repeat, silence, spell, velocity
from scoring.amounts import MINIMUM_PAST, PROFILE_US
from scoring.columns import KEY_BITS, KEYS, STACKED, Floats, Ints
from scoring.compiled import compiled
from scoring.features import PLACE
from scoring.last_purse import known, of_purse, ratio
from scoring.spell import PRIOR_MARKED, SHORTEST_PROFILE_US
from scoring.windows import DAY_US, HISTORY_ROWS, HOUR_US, NOVELTY_ROWS, PAST_ROWS, PROFILE_ROWS

NAN = math.nan
# The bits by which keys are told apart.
KEY_MASK = (1 << KEY_BITS) - 1

# Where the columns of each group begin, in the order of features.NAMES, and where those of the user's own rows end.
AMOUNTS, SPELL, VELOCITY, SILENCE, REPEAT, NOVELTY, ODD_HOURS = (
    PLACE[group.EVIDENCE[0]] for group in (amounts, spell, velocity, silence, repeat, novelty, odd_hours)
)
AMOUNT, HOUR, JOINT, OWN = PLACE["amount"], PLACE[hours.FACTS[0]], PLACE[joint.FACTS[0]], PLACE[merchant.EVIDENCE[0]]
USUAL_SILENCE = SILENCE + silence.USUAL
KINDS, KEYS_KNOWN = len(novelty.KINDS), NOVELTY + len(novelty.KINDS)
# The keys of novelty.KINDS stand one after the other.
AT_US, MINOR, FAILED, MERCHANT, CATEGORY, CURRENCY = (
    STACKED.index(name) for name in ("at_us", "minor", "failed", "merchant", "category", "currency")
)
# The kinds of keys from here on come with whoever pays.
OF_WHO_PAYS = novelty.KINDS.index(novelty.OF_WHO_PAYS[0])
KERNEL = tuple(hours.KERNEL.tolist())
WINDOWS_US = velocity.WINDOWS_US
# Poisson counts, their means, and what becomes of these; and all shares of which the logarithm is taken.
BURSTS = [("large_7d", "expected_large_7d", "large_burst"), ("failed_1d", "expected_failed_1d", "failures_1d")]
BURSTS += [(f"count_{window}", f"expected_{window}", f"burst_{window}") for window in ("1h", "1d", "7d")]
COUNTS, MEANS, CHANCES = (np.array([PLACE[name] for name in names]) for names in zip(*BURSTS, strict=True))
SHARES = np.append(CHANCES, NOVELTY + np.arange(KINDS))


def own(rows: Ints) -> list[float]:
    """The columns of features.NAMES that rest on the user's own rows (8, n), STACKED, for the last of them."""
    if not rows.shape[1]:
        raise ValueError("there is no row")
    # Always of the kind for which there is compiled code.
    found = of_rows(np.ascontiguousarray(rows[:, -HISTORY_ROWS - 1 :]))
    found[CHANCES] = np.maximum(gammainc(found[COUNTS], found[MEANS]), velocity.LEAST_CHANCE)
    # What is no chance at all, 1, has no negative zero.
    found[SHARES] = 0 - np.log10(found[SHARES])
    result: list[float] = found.tolist()
    result[REPEAT] = charged_again(*result[REPEAT:NOVELTY])
    result[ODD_HOURS] = several_odd(*result[ODD_HOURS:AMOUNT])
    return result


def charged_again(pauses: float, minutes: float, same: float, charges: float) -> float:
    """As in repeat.build, of a charge that comes again after so many of the user's usual pauses; else what is known."""
    if minutes != minutes:
        return pauses
    soon = -float(np.expm1(-pauses))
    chance = max(soon, repeat.LEAST_CHANCE) * same / (charges + 1)
    return max(-float(np.log10(chance)), 0.0)


def several_odd(evidence: float, many: float, expected: float) -> float:
    """As in odd_hours.build, where any is odd; else what is known."""
    if expected != expected:
        return evidence
    return min(unlikeliness(many, expected), max(1 + float(np.log10(many / expected)), 0.0))


@compiled
def of_rows(rows: Ints) -> Floats:
    """(OWN,) the columns of `own`, with chances and shares in the place of their logarithms; rows (8, n), STACKED."""
    at_us, minor, failed, currency = rows[AT_US], rows[MINOR], rows[FAILED], rows[CURRENCY]
    merchant, category = rows[MERCHANT], rows[CATEGORY]
    found = np.empty(OWN)
    hour = at_us // HOUR_US % hours.HOURS
    of_purse(at_us, minor, currency, found[AMOUNTS:SPELL], found[SPELL:VELOCITY])
    of_velocity(at_us, failed, found[VELOCITY:SILENCE])
    of_silence(at_us, found[SILENCE:REPEAT])
    of_repeat(at_us, minor, currency, failed, merchant, found[USUAL_SILENCE], found[REPEAT:NOVELTY])
    for kind in range(KINDS):
        # The currency is always known, also that with the number 0.
        key = rows[MERCHANT + kind] if kind < len(KEYS) else currency + 1
        stays = kind >= OF_WHO_PAYS
        found[NOVELTY + kind], found[KEYS_KNOWN + kind] = of_novelty(at_us, key, stays)
    of_odd_hours(at_us, hour, found[ODD_HOURS:AMOUNT])
    found[AMOUNT] = minor[-1] / 100
    of_hours(hour, found[HOUR:JOINT])
    of_joint(at_us, minor, currency, category, hour, found[JOINT:OWN])
    return found


@compiled
def since(at_us: Ints, window_us: int, rows: int = PROFILE_ROWS) -> int:
    """As Line.since, of the last row."""
    last = len(at_us) - 1
    return max(int(np.searchsorted(at_us, at_us[last] - window_us)), last - rows, 0)


@compiled
def of_velocity(at_us: Ints, failed: Ints, out: Floats) -> None:
    """As velocity.build, with the chances left open."""
    last, windows = len(at_us) - 1, len(WINDOWS_US)
    counts, expected = out[windows + 1 : 2 * windows + 1], out[2 * windows + 1 :]
    for place, window_us in enumerate(WINDOWS_US):
        start = since(at_us, window_us, HISTORY_ROWS)
        counts[place], expected[place] = last - start, usual(at_us, start, window_us)
    day, oldest = since(at_us, DAY_US), max(last - PROFILE_ROWS, 0)
    recent = failed[day:last].sum()
    share = (failed[oldest:day].sum() + velocity.PRIOR_FAILED) / (day - oldest + velocity.PRIOR_PAYMENTS)
    expected[windows] = recent + failed[last]
    expected[windows + 1] = known((last - day + 1) * share, last - oldest)


@compiled
def usual(at_us: Ints, start: int, window_us: int) -> float:
    """As velocity.usual."""
    oldest = since(at_us, window_us + velocity.RATE_US, HISTORY_ROWS)
    span_us = at_us[-1] - window_us - at_us[oldest]
    enough = start - oldest >= MINIMUM_PAST and span_us >= window_us
    return (start - oldest) * (window_us / max(span_us, 1)) if enough else NAN


@compiled
def of_silence(at_us: Ints, out: Floats) -> None:
    """As silence.build."""
    last = len(at_us) - 1
    previous = max(last - 1, 0)
    oldest = since(at_us[: previous + 1], PROFILE_US)
    payments = previous - oldest
    out[1] = (at_us[last] - at_us[previous]) / DAY_US if last else NAN
    out[2] = known((at_us[previous] - at_us[oldest]) / DAY_US / max(payments, 1), payments)
    out[0] = ratio(out[1], out[2])


@compiled
def of_repeat(
    at_us: Ints,
    minor: Ints,
    currency: Ints,
    failed: Ints,
    merchant: Ints,
    usual_days: float,
    out: Floats,
) -> None:
    """As repeat.build; where a charge comes again, its evidence is left open: after how many usual pauses it does."""
    last = len(at_us) - 1
    oldest, soonest = max(last - NOVELTY_ROWS, 0), since(at_us, repeat.LONGEST_PAUSE_US, NOVELTY_ROWS)
    is_known = merchant[last] != 0 and usual_days > 0
    out[0], out[1], out[2], out[3] = 0.0 if is_known else NAN, NAN, 0.0, last - oldest
    if not is_known or failed[last] or soonest == last:
        return
    same, latest = 0, -1
    for i in range(oldest, last):
        money = minor[i] == minor[last] and currency[i] == currency[last]
        if money and not failed[i] and merchant[i] and not (merchant[i] ^ merchant[last]) & KEY_MASK:
            same, latest = same + 1, i
    if latest >= soonest:
        pause_us = at_us[last] - at_us[latest]
        out[0], out[1], out[2] = pause_us / DAY_US / usual_days, pause_us / repeat.MINUTE_US, same


@compiled
def of_novelty(at_us: Ints, key: Ints, stays: bool) -> tuple[float, float]:
    """As novelty.novelty, with the share left open whose logarithm the evidence is: 1 where the key is not new."""
    last = len(at_us) - 1
    oldest = max(last - NOVELTY_ROWS, 0)
    settled = since(at_us, novelty.NEW_US, NOVELTY_ROWS) if stays else last
    payments = float(np.count_nonzero(key[oldest:settled]))
    if payments < MINIMUM_PAST or key[last] == 0:
        return NAN, payments
    if is_among(key[oldest:settled], key[last]):
        return 1.0, payments
    start = end = max(oldest - NOVELTY_ROWS, 0)
    known_, new, judged = 0, 0, 0
    for i in range(oldest, last):
        if i - NOVELTY_ROWS > start:
            known_ -= key[start] != 0
            start += 1
        while end < i and not (stays and at_us[end] >= at_us[i] - novelty.NEW_US):
            known_ += key[end] != 0
            end += 1
        if key[i] and known_ >= MINIMUM_PAST:
            judged += 1
            new += not is_among(key[start:end], key[i])
    return (new + 1) / (judged + 2), payments


@compiled
def is_among(keys: Ints, key: int) -> bool:
    """Whether it is one of the keys (k,), as Block.previous tells keys apart."""
    found = False
    # To the end, without a branch: many are compared at once.
    for one in keys:
        found |= (one ^ key) & KEY_MASK == 0
    return found


@compiled
def of_odd_hours(at_us: Ints, hour: Ints, out: Floats) -> None:
    """As odd_hours.build, with the chance left open where any hour is odd."""
    last, profile, day = len(at_us) - 1, since(at_us, PROFILE_US), since(at_us, odd_hours.WINDOW_US)
    start, many, before = max(profile - PAST_ROWS, 0), 0, 0
    seen = np.bincount(hour[start:profile], minlength=hours.HOURS)
    for i in range(profile, last + 1):
        if i - start > PAST_ROWS:
            seen[hour[start]] -= 1
            start += 1
        around = hours.HOURS * weight_of(seen, hour[i]) + odd_hours.WHOLE * odd_hours.PRIOR_PAYMENTS
        payments = odd_hours.WHOLE * (i - start + odd_hours.PRIOR_PAYMENTS)
        if odd_hours.LESS_THAN_EVEN * around < payments:
            many, before = (many + 1, before) if i >= day else (many, before + 1)
        seen[hour[i]] += 1
    span_us = at_us[last] - at_us[profile]
    enough = span_us >= SHORTEST_PROFILE_US and last - profile >= MINIMUM_PAST
    expected = (before + PRIOR_MARKED) * (odd_hours.WINDOW_US / max(span_us, odd_hours.WINDOW_US))
    out[0], out[1], out[2] = 0.0 if enough else NAN, many, expected if enough and many else NAN


@compiled
def weight_of(seen: Ints, hour: int) -> int:
    """What payments at each hour, `seen` (24,), count for an hour, in parts of hours.KERNEL."""
    total = 0
    for place, part in enumerate(KERNEL):
        total += part * seen[(hour + place - len(KERNEL) // 2) % hours.HOURS]
    return total


@compiled
def of_hours(hour: Ints, out: Floats) -> None:
    """As hours.build."""
    last = len(hour) - 1
    oldest = max(last - PROFILE_ROWS, 0)
    weight = weight_of(np.bincount(hour[oldest:last], minlength=hours.HOURS), hour[last])
    out[0], out[1], out[2] = hour[last], known(weight / odd_hours.WHOLE, last - oldest), last - oldest


@compiled
def of_joint(at_us: Ints, minor: Ints, currency: Ints, category: Ints, hour: Ints, out: Floats) -> None:
    """As joint.build."""
    last = len(at_us) - 1
    amount = np.searchsorted(joint.EDGES, minor[last], side="right")
    at_hour, in_category = 1.0, 1.0
    for i in range(since(at_us, joint.REPEAT_US, NOVELTY_ROWS), last):
        if currency[i] == currency[last] and np.searchsorted(joint.EDGES, minor[i], side="right") == amount:
            at_hour = 0.0 if hour[i] == hour[last] else at_hour
            in_category = in_category if (category[i] ^ category[last]) & KEY_MASK else 0.0
    is_known = category[last] != 0
    out[0], out[1] = amount, float(category[last] & KEY_MASK) if is_known else NAN
    out[2], out[3] = at_hour, in_category if is_known else NAN


def unlikeliness(count: float, mean: float) -> float:
    """As velocity.unlikeliness."""
    if mean != mean or count == 0:
        return 0 * mean
    return -float(np.log10(max(gammainc(float(count), mean), velocity.LEAST_CHANCE)))
