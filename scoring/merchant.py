"""What a payment's merchant usually takes, and how often: the only evidence that looks beyond the user.

A row sees the merchant's last STRETCH_ROWS payments in its currency that happened at strictly earlier instants,
whoever paid: payments of one instant do not see each other, so no tie has to be broken, and the cost of a row is
bounded however big the merchant is.

`amount_at_merchant` is how many usual deviations the logarithm of the amount lies above the stretch's mean; a
merchant's prices differ by factors, unlike a user's habits. The logarithm is a whole number of steps, so sums are
exact. It is known only where the merchant's amounts lie closer together than everybody's do: a merchant whose
amounts spread as wide as the population's tells nothing that the population does not.
`surge_1d` and `surge_7d` are -log10 of the chance of at least so many payments as in the last day and 7 days with
this one, if they came at SURGE_TIMES the merchant's own earlier rate: a surge is more than a good week.
`departures_14d` is what a payment adds that departs from its user's past (`departures`), where other users' payments
of the last 14 days at the merchant did so, too: -log10 of the chance of at least so many of theirs at their own earlier
rate there (half a departure more than were counted, for a rate that may be 0). Its customers do, all at once, what is
unlike each of them. 0 for a payment that does not depart: among the customers of a shop that lost its data most pay as
ever. Its own user's departures are not counted: his other groups have them.
`merchant_silence` is the square root of the days since anybody paid this merchant: a shop that everybody has left, and
that somebody pays again. Merchants are paid at very different rates, so that pauses fall off far slower than
exponentially; the tail of the root is about straight (a stretched exponential), and can be continued.
Sources: z-score of log amounts (Bolton and Hand 2002, peer groups); Poisson test of a rate against a multiple of
the usual one; Jeffreys 1946.
Limits: of a merchant with more than STRETCH_ROWS payments in a week the windows are longer than what is seen, and
its surge is unknown; its departures are from as many in a fortnight on. Of one whom nobody paid before the pause is
unknown, too. Of its customers' pasts nothing is seen but whether a payment departs from them: each past would have to
be read.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from scoring.amounts import MINIMUM_PAST
from scoring.columns import Bools, Floats, Ints
from scoring.spell import PRIOR_MARKED
from scoring.velocity import unlikeliness
from scoring.visits import DEPARTURES_US, STEPS, Visits, steps_of, taken
from scoring.windows import DAY_US

NAME = "merchant_surge"
AT_MERCHANT = "amount_at_merchant"
SILENCE = "merchant_silence"
DEPARTURES = "departures_14d"
EVIDENCE = ("surge_1d", "surge_7d")
FACTS = (
    "departures_14d",
    "merchant_silence",
    "merchant_deviations",
    "merchant_seen",
    "merchant_amount",
    "merchant_spread",
    "merchant_1d",
    "merchant_7d",
    "merchant_usual_1d",
    "merchant_usual_7d",
    "merchant_departures_14d",
    "merchant_usual_departures_14d",
)

WINDOWS_US = (DAY_US, 7 * DAY_US)
SURGE_TIMES = 2.0
# Prices of one merchant may not vary at all: the spread never falls below a tenth of a decade.
LEAST_SPREAD = 0.1
# A merchant's spread of logarithms against the population's, up to which its amounts tell something: it explains
# a third of the variance.
MOST_SPREAD = 0.8


def build(visits: Visits | None, at_us: Ints, minor: Ints, departs: Bools) -> list[Floats]:
    """EVIDENCE and then FACTS, each (n,), of rows at `at_us` with amounts `minor`, of which some depart; all (n,)."""
    if visits is None:
        return [np.full(len(at_us), np.nan)] * len(EVIDENCE + FACTS)
    payments = visits.place - visits.first
    deviations, usual, spread = amounts(visits, minor, payments)
    surges = [surge(visits, at_us, window) for window in WINDOWS_US]
    unlike, departed, usual_departures = departing(visits, at_us, departs)
    return [
        *(chance for chance, _, _ in surges),
        unlike,
        silence(visits, at_us),
        deviations,
        np.where(visits.known, payments.astype(np.float64), np.nan),
        usual,
        spread,
        *(count for _, count, _ in surges),
        *(mean for _, _, mean in surges),
        departed,
        usual_departures,
    ]


def silence(visits: Visits, at_us: Ints) -> Floats:
    """(n,) the square root of the days since the merchant's last payment; NaN without one."""
    seen = visits.place > visits.first
    latest_us = np.where(seen, taken(visits.at_us, visits.place - 1), at_us)
    return np.where(seen, np.sqrt((at_us - latest_us) / DAY_US), np.nan)


def amounts(visits: Visits, minor: Ints, payments: Ints) -> tuple[Floats, Floats, Floats]:
    """Deviations of the amounts, the merchants' usual amounts in currency units, their spreads in decades; (n,)."""
    enough = np.where(payments < MINIMUM_PAST, np.nan, payments)
    mean = (visits.steps[visits.place] - visits.steps[visits.first]) / enough
    square = (visits.squares[visits.place] - visits.squares[visits.first]) / enough
    spread = np.sqrt(np.maximum(square - mean * mean, 0))
    deviations = (steps_of(minor) - mean) / np.maximum(spread, LEAST_SPREAD * STEPS)
    return deviations, 10 ** (mean / STEPS) / 100, spread / STEPS


def surge(visits: Visits, at_us: Ints, window_us: int) -> tuple[Floats, Floats, Floats]:
    """Evidence, payments in the window without this one, and how many the earlier rate would bring; each (n,)."""
    start, span_us, enough = earlier(visits, at_us, window_us)
    usual = np.where(enough, (start - visits.first) * (window_us / np.maximum(span_us, 1)), np.nan)
    count = visits.place - start
    # Up to the mean the chance is about a half or more: nothing to reckon.
    many = enough & (count + 1 > SURGE_TIMES * usual)
    chance = np.where(many, unlikeliness(count + 1, SURGE_TIMES * usual, many), 0 * usual)
    lift = np.log10((count[many] + 1) / usual[many])
    chance[many] = np.minimum(chance[many], 1 + lift)
    return chance, np.where(enough, count.astype(np.float64), np.nan), usual


def departing(visits: Visits, at_us: Ints, departs: Bools) -> tuple[Floats, Floats, Floats]:
    """Evidence, other users' departures in the window, and how many the earlier rate would bring; each (n,).

    The two facts only of those that depart, so that live need not ask for every payment.
    """
    _, span_us, enough = earlier(visits, at_us, DEPARTURES_US)
    departed, usual = np.full((2, len(at_us)), np.nan)
    told = np.flatnonzero(enough & departs)
    if len(told):
        departed[told], before = visits.departures(told, at_us[told])
        usual[told] = (before + PRIOR_MARKED) * (DEPARTURES_US / np.maximum(span_us[told], 1))
    # Up to the mean the chance is about a half or more: nothing to reckon.
    many = departed > usual
    chance = np.where(many, unlikeliness(departed, usual, many), np.where(enough, 0.0, np.nan))
    return chance, departed, usual


def earlier(visits: Visits, at_us: Ints, window_us: int) -> tuple[Ints, Ints, Bools]:
    """(n,) place of the window's first payment, how long the stretch is before it, whether that shows a rate."""
    start = visits.since(at_us - window_us)
    span_us = at_us - window_us - taken(visits.at_us, visits.first)
    return start, span_us, (start - visits.first >= MINIMUM_PAST) & (span_us >= window_us)


def telling(deviations: Floats, spread: Floats, currency: NDArray[np.int32], population: Mapping[int, float]) -> Floats:
    """(n,) `amount_at_merchant`: the deviations, where the merchant's spread is well below its currency's."""
    result = np.full(len(deviations), np.nan)
    for code, everybody in population.items():
        tells = (currency == code) & (spread <= MOST_SPREAD * everybody)
        result[tells] = deviations[tells]
    return result


def spreads(amount: Floats, currency: NDArray[np.int32]) -> dict[int, float]:
    """The spread, in decades, of the amounts (n,) of each currency, in currency units."""
    steps = steps_of(np.rint(amount * 100).astype(np.int64)) / STEPS
    return {int(code): float(steps[currency == code].std()) for code in np.unique(currency)}
