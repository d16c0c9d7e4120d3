"""Why a row has its score: one reason for each group that adds to raw, with the numbers a person would check.

A reason is plain data for JSON: `group`; `code`, the name of the group's most surprising evidence;
`contribution`, its part of raw; `observed` and `expected`, the two numbers that the code compares;
`values`, all numbers that a sentence about it needs, amounts in currency units. The contributions of a
row's reasons add up to its raw.
"""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from scoring import hours, novelty, single, tails
from scoring.amounts import LAST_PAYMENTS
from scoring.blend import Scores
from scoring.features import Features
from scoring.reference import EVIDENCE, GROUPS, Norms

# A population's amounts are compared with the one that 99 % of them stay below.
POPULATION_SURPRISE = 2.0
# The surprise that every second payment reaches: the evidence of a usual one.
EVERY_SECOND = float(np.log10(2))

Values = dict[str, float]
Row = dict[str, float]
Reason = dict[str, object]


class Explained(NamedTuple):
    """A row's known features, and the reasons for its score, the weightiest first."""

    features: Row
    reasons: list[Reason]


def reasons(features: Features, scores: Scores, i: int) -> list[Reason]:
    """The reasons of row i, the weightiest first."""
    return explain(features, scores, [i])[0].reasons


def explain(features: Features, scores: Scores, rows: Sequence[int]) -> list[Explained]:
    """Several rows, in their order."""
    picked = features.take(np.asarray(rows, np.intp))
    norms = scores.reference.norms
    leading = leading_evidence(picked, scores)
    result = []
    for place, i in enumerate(rows):
        row, currency = picked.row(place), int(picked.currency[place])
        parts = zip(GROUPS, leading, scores.contributions[i].tolist(), strict=True)
        weightiest_first = sorted([part for part in parts if part[2] > 0], key=itemgetter(2), reverse=True)
        found = [reason(group, names[place], part, row, norms, currency) for group, names, part in weightiest_first]
        result.append(Explained(row, found))
    return result


def leading_evidence(features: Features, scores: Scores) -> list[list[str]]:
    """Of each group the name of each row's most surprising evidence."""
    if scores.surprises is not None:
        return [[name] * len(features) for name in single.leading(scores.surprises)]
    norms, found = scores.reference.norms, []
    for names in EVIDENCE.values():
        surprises = np.stack([norms.surprise(features, name) for name in names])
        found.append([names[best] for best in np.argmax(tails.known_or_0(surprises), axis=0)])
    return found


def reason(group: str, code: str, contribution: float, row: Row, norms: Norms, currency: int) -> Reason:
    observed, expected, values = DETAILS[code](row, norms, currency)
    return {
        "code": code,
        "group": group,
        "contribution": contribution,
        "observed": observed,
        "expected": expected,
        "values": values,
    }


Detail = tuple[float, float, Values]


def over_median(row: Row, _norms: Norms, _currency: int) -> Detail:
    names = {"amount": "amount", "median": "median", "deviation": "deviation", "payments": "past_payments"}
    values = {name: row[source] for name, source in names.items()}
    values |= {"ratio": row["amount_over_median"], "times": row["amount_deviations"], "last": float(LAST_PAYMENTS)}
    return row["amount"], row["median"], values


def over_mean(row: Row, _norms: Norms, _currency: int) -> Detail:
    names = {"amount": "amount", "mean": "mean_90d", "spread": "spread_90d", "payments": "payments_90d"}
    values = {name: row[source] for name, source in names.items()}
    values |= {"times": row["amount_spreads"], "days": 90.0}
    # Where most payments are of 0 the mean is 0, and nothing a multiple of it.
    if "amount_over_mean" in row:
        values["ratio"] = row["amount_over_mean"]
    return row["amount"], row["mean_90d"], values


def in_population(row: Row, norms: Norms, currency: int) -> Detail:
    tail = norms.amounts[currency]
    usual = tail.value(POPULATION_SURPRISE)
    one_in = 10 ** tail.surprise_of(row["amount"])
    values = {"amount": row["amount"], "usual": usual, "percent": 100 * (1 - 10**-POPULATION_SURPRISE)}
    return row["amount"], usual, values | {"one_in": one_in, "ratio": row["amount"] / usual if usual else 0.0}


def at_merchant(row: Row, _norms: Norms, _currency: int) -> Detail:
    values = {"amount": row["amount"], "usual": row["merchant_amount"], "payments": row["merchant_seen"]}
    values |= {"ratio": row["amount"] / row["merchant_amount"], "times": row["merchant_deviations"]}
    return row["amount"], row["merchant_amount"], values


def surge(window: str, hours_long: float) -> Callable[[Row, Norms, int], Detail]:
    """Details of the payments of everybody at this merchant within a window, this one counted."""

    def details(row: Row, _norms: Norms, _currency: int) -> Detail:
        count, usual = row[f"merchant_{window}"] + 1, row[f"merchant_usual_{window}"]
        return count, usual, {"count": count, "usual": usual, "hours": hours_long}

    return details


def departures(row: Row, _norms: Norms, _currency: int) -> Detail:
    # How many are usual is not told where there is nothing to tell.
    count, usual = row.get("merchant_departures_14d", 0.0), row.get("merchant_usual_departures_14d", 0.0)
    return count, usual, {"count": count, "usual": usual, "days": 14.0}


def charged_again(row: Row, _norms: Norms, _currency: int) -> Detail:
    values = {"amount": row["amount"], "same": row["same_charges"], "payments": row["charges"]}
    values |= {"minutes": row.get("repeat_minutes", 0.0), "usual_minutes": 1440 * row["usual_silent_days"]}
    return values["minutes"], values["usual_minutes"], values


def excess(row: Row, _norms: Norms, _currency: int) -> Detail:
    values = {"large": row["large_14d"], "excess": row["large_excess_14d"], "median": row["median"], "days": 14.0}
    return row["large_excess_14d"], 0.0, values | {"amount": row["amount"], "above": row["amount"] - row["median"]}


def large_burst(row: Row, _norms: Norms, _currency: int) -> Detail:
    many, usual = row["large_7d"], row["expected_large_7d"]
    return many, usual, {"large": many, "usual": usual, "days": 7.0}


def spend(row: Row, _norms: Norms, _currency: int) -> Detail:
    values = {"spend": row["spend_7d"], "usual": row["usual_7d"], "ratio": row["spend_over_usual"], "days": 7.0}
    return row["spend_7d"], row["usual_7d"], values


def burst(window: str, hours_long: float) -> Callable[[Row, Norms, int], Detail]:
    """Details of the payments within a window, this one not counted."""

    def details(row: Row, _norms: Norms, _currency: int) -> Detail:
        count, usual = row[f"count_{window}"], row[f"expected_{window}"]
        return count, usual, {"count": count, "usual": usual, "hours": hours_long}

    return details


def failures(row: Row, _norms: Norms, _currency: int) -> Detail:
    failed, usual = row["failed_1d"], row["expected_failed_1d"]
    return failed, usual, {"failed": failed, "usual": usual, "payments": row["count_1d"] + 1, "hours": 24.0}


def odd_hours(row: Row, _norms: Norms, _currency: int) -> Detail:
    # How few are usual is not asked where there are none.
    many, usual = row["odd_1d"], row.get("expected_odd_1d", 0.0)
    return many, usual, {"odd": many, "usual": usual, "hours": 24.0}


def left_merchant(row: Row, norms: Norms, _currency: int) -> Detail:
    days = row["merchant_silence"] ** 2
    usual = norms.evidence["merchant_silence"].value(EVERY_SECOND) ** 2
    return days, usual, {"days": days, "usual": usual}


def long_silence(row: Row, _norms: Norms, _currency: int) -> Detail:
    days, usual = row["silent_days"], row["usual_silent_days"]
    return days, usual, {"days": days, "usual": usual, "ratio": row["silence_over_usual"]}


def unusual_hour(row: Row, norms: Norms, _currency: int) -> Detail:
    hour, near, payments = (row[name] for name in hours.FACTS)
    share = single.hour_share(hour, near, payments, norms.hours)
    usual = 1 / hours.HOURS
    values = {"hour": row["hour"], "near": row["hour_weight"], "payments": row["hour_payments"]}
    return share, usual, values | {"share": share}


def joint(name: str, key: str) -> Callable[[Row, Norms, int], Detail]:
    """Details of the share of payments in the row's cell of a histogram; it may be smaller than one of them all."""

    def details(row: Row, norms: Norms, currency: int) -> Detail:
        known = norms.at_hour if key == "hour" else norms.in_category
        cell = single.in_cell(known[currency], row["amount_bin"], row[key])
        share, usual = 10**-cell, 10 ** -norms.evidence[name].value(EVERY_SECOND)
        seen = known[currency].seen
        values = {"amount": row["amount"], "one_in": 1 / share, "usual": 1 / usual, "seen": seen}
        return share, usual, values | ({"hour": row["hour"]} if key == "hour" else {})

    return details


def first_of(kind: str) -> Callable[[Row, Norms, int], Detail]:
    """Details of a key that is new to the user, or is not."""

    def details(row: Row, _norms: Norms, _currency: int) -> Detail:
        rarely = row[f"new_{kind}"]
        share = 10**-rarely if rarely > 0 else 0.0
        values = {"new": float(rarely > 0), "payments": row[f"{kind}_payments"], "once_in": 10**rarely}
        return values["new"], share, values

    return details


DETAILS: dict[str, Callable[[Row, Norms, int], Detail]] = {
    "amount_over_median": over_median,
    "amount_deviations": over_median,
    "amount_over_mean": over_mean,
    "amount_spreads": over_mean,
    "amount_in_population": in_population,
    "amount_at_merchant": at_merchant,
    "renewed_excess": excess,
    "excess_14d": excess,
    "spend_over_usual": spend,
    "large_burst": large_burst,
    "burst_1h": burst("1h", 1.0),
    "burst_1d": burst("1d", 24.0),
    "burst_7d": burst("7d", 168.0),
    "failures_1d": failures,
    "hour_unusual": unusual_hour,
    "amount_at_hour": joint("amount_at_hour", "hour"),
    "odd_hours": odd_hours,
    "amount_in_category": joint("amount_in_category", "category"),
    **{f"new_{kind}": first_of(kind) for kind in novelty.KINDS},
    "silence_over_usual": long_silence,
    "merchant_silence": left_merchant,
    "charged_again": charged_again,
    "surge_1d": surge("1d", 24.0),
    "surge_7d": surge("7d", 168.0),
    "departures_14d": departures,
}
