"""What normal looks like: sketches of the features, the groups and the raw score over a window of rows.

Of bounded size, whatever the number of rows. Fitting returns a new reference; scoring only reads it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from scoring import (
    amounts,
    corroboration,
    departures,
    hours,
    joint,
    merchant,
    novelty,
    odd_hours,
    population,
    repeat,
    silence,
    spell,
    tails,
    velocity,
)
from scoring.columns import Bools, Floats
from scoring.corroboration import CATCHING_UP
from scoring.features import Features
from scoring.joint import Histogram
from scoring.tails import Knots, Tail

# The groups of evidence, in the order of the columns of contributions. A group is one subject: what is
# unusual of the hour alone and of the amount at this hour would count twice as groups of their own.
EVIDENCE: dict[str, tuple[str, ...]] = {
    amounts.NAME: amounts.EVIDENCE,
    population.NAME: (*population.EVIDENCE, merchant.AT_MERCHANT),
    **{group.NAME: group.EVIDENCE for group in (spell, velocity)},
    hours.NAME: (*hours.EVIDENCE, joint.AT_HOUR, *odd_hours.EVIDENCE),
    joint.NAME: (joint.IN_CATEGORY,),
    novelty.NAME: novelty.EVIDENCE,
    silence.NAME: (*silence.EVIDENCE, merchant.SILENCE),
    **{group.NAME: group.EVIDENCE for group in (repeat, merchant)},
    departures.NAME: (merchant.DEPARTURES,),
}
GROUPS = tuple(EVIDENCE)
ALL_EVIDENCE = tuple(name for group in GROUPS for name in EVIDENCE[group])
# Shares of payments, not sizes: nothing beyond the data says how much rarer than they a share may be.
SHARES = (*hours.EVIDENCE, joint.AT_HOUR, joint.IN_CATEGORY)
# Chances by a model of their own, in decades. Nearly all rows have none, so that their ranks tell little; they count
# as they are, but only where the population keeps to the model.
CHANCES = (*repeat.EVIDENCE, *merchant.EVIDENCE, merchant.DEPARTURES)
OF_CHANCES = (repeat.NAME, merchant.NAME, departures.NAME)
# A population keeps to a model if what it calls one in a hundred is not commoner than that. Of the few payments that
# depart it may be one in twenty: an attack of some weeks is a good part of them, and a change of everybody's habits, to
# which they all belong, is one in five and more.
BELIEVED_UP_TO = 2.0
BELIEVED_SHARES: Mapping[str, float] = {merchant.DEPARTURES: 0.05}
VERSION = 9
# Their evidence are alternatives, of which the strangest counts: an unknown device is none the less so for being
# where its owner lives, and does not fade in data that have more keys; and a shop that nobody visits is none the less
# so for a customer who was there yesterday.
ALTERNATIVES = (novelty.NAME, silence.NAME)
# Fewer rows do not show one in a hundred.
MINIMUM_ROWS = 500
# The distribution of raw is followed as far as so many rows lie beyond, then extrapolated.
ROWS_BEYOND_TRUSTED = 30
# Rows judged at a time, so that the intermediate columns stay in the processor's cache.
ROWS_AT_A_TIME = 16_384
# What lies within the noise of its group counts only to break ties.
TIE_BREAKER = 0.01
# What a decade of each group counts where a model says nothing else; `weights.checked` says which others there may be.
WEIGHTS: Mapping[str, float] = dict.fromkeys(GROUPS, 1.0)
# The decades of a group that do not count. What every tenth row has is noise; of a charge that comes again one row in
# some hundreds has any evidence at all, and none of them by rank.
NOISE: Mapping[str, float] = {**dict.fromkeys(GROUPS, 1.0), repeat.NAME: 0.0}
# How many decades beyond the noise are doubted (`corroboration`) where no population says so.
NO_DOUBTS: Mapping[str, float] = dict.fromkeys(GROUPS, 0.0)


class TooFewRows(Exception):
    """The window holds fewer rows than show what is normal."""


class BadReference(Exception):
    """Bytes that are no reference, or one of another version."""


@dataclass(frozen=True, eq=False)
class Norms:
    """The population of each single feature: tails by feature; by currency the amounts, their spread, and the
    amounts at each hour and in each category; hours of the day.
    """

    evidence: Mapping[str, Tail]
    amounts: Mapping[int, Tail]
    hours: Floats
    at_hour: Mapping[int, Histogram]
    in_category: Mapping[int, Histogram]
    spreads: Mapping[int, float]

    @classmethod
    def fit(cls, features: Features) -> "Norms":
        bare = cls(
            {},
            population.fit(features.column("amount"), features.currency),
            hours.habits(features.column("hour")),
            histograms(features, "hour", "first_at_hour", circular=True),
            histograms(features, "category", "first_in_category", circular=False),
            merchant.spreads(features.column("amount"), features.currency),
        )
        names = [name for group in EVIDENCE.values() for name in group if name not in population.EVIDENCE]
        values = {name: bare.value(features, name) for name in names}
        # Of departures only those that depart are asked: no other payment could have any chance.
        asked = {merchant.DEPARTURES: ~np.isnan(features.column("merchant_departures_14d"))}
        fitted = {
            name: tails.fit(values[name], trusted=trusted(name))
            for name in names
            if believed(name, values[name][asked.get(name, slice(None))])
        }
        return replace(bare, evidence={name: tail for name, tail in fitted.items() if tail is not None})

    def surprise(self, features: Features, name: str) -> Floats:
        """(n,) surprise of one piece of evidence; NaN where it, or its population, is unknown."""
        if name == "amount_in_population":
            return population.surprise(features.column("amount"), features.currency, self.amounts)
        tail = self.evidence.get(name)
        if tail is None:
            return np.full(len(features), np.nan)
        value = self.value(features, name)
        return np.minimum(value, tails.LARGEST_SURPRISE) if name in CHANCES else tail.surprise(value)

    def value(self, features: Features, name: str) -> Floats:
        """(n,) one piece of evidence itself, before its surprise: higher is stranger."""
        if name == "hour_unusual":
            return hour_unusual(features, self.hours)
        if name in (joint.AT_HOUR, joint.IN_CATEGORY):
            key, known = ("hour", self.at_hour) if name == joint.AT_HOUR else ("category", self.in_category)
            return joint.value(features.column("amount_bin"), features.column(key), features.currency, known)
        if name == merchant.AT_MERCHANT:
            deviations, spread = features.column("merchant_deviations"), features.column("merchant_spread")
            return merchant.telling(deviations, spread, features.currency, self.spreads)
        return features.column("amount" if name == "amount_in_population" else name)

    def group_means(self, features: Features) -> Floats:
        """(n, G) mean surprise of the known evidence of each group, of ALTERNATIVES the highest; NaN: none is known."""
        means = np.full((len(GROUPS), len(features)), np.nan)
        for rows in in_cache(len(features)):
            part = features.take(rows)
            for place, group in enumerate(GROUPS):
                together = known_most if group in ALTERNATIVES else known_mean
                columns = [self.surprise(part, name) for name in EVIDENCE[group] if self.knows(name)]
                if columns:
                    means[place, rows] = together(columns)
        return means.T

    @cached_property
    def knots(self) -> Knots:
        """Those of ALL_EVIDENCE, for a row that is scored alone."""
        return Knots.of([self.evidence.get(name) for name in ALL_EVIDENCE])

    def knows(self, name: str) -> bool:
        """Whether there is a population of a piece of evidence."""
        return name in population.EVIDENCE or name in self.evidence


def trusted(name: str) -> float:
    """How far the population's tail of a piece of evidence is followed before it is continued."""
    return np.inf if name in SHARES else tails.TRUSTED


def believed(name: str, values: Floats) -> bool:
    """Whether the population has a chance about as often as its model says; evidence that is no chance always is."""
    if name not in CHANCES:
        return True
    known = values[~np.isnan(values)]
    share = BELIEVED_SHARES.get(name, 10**-BELIEVED_UP_TO)
    return not len(known) or bool(np.mean(known >= BELIEVED_UP_TO) <= share)


def histograms(features: Features, key: str, first: str, *, circular: bool) -> Mapping[int, Histogram]:
    """By currency: payments by bin of the amount and by `key`, the repeated ones of a user left out."""
    amount, keys, firsts = (features.column(name) for name in ("amount_bin", key, first))
    return joint.fit(amount, keys, firsts, features.currency, circular=circular)


def hour_unusual(features: Features, habits: Floats) -> Floats:
    """(n,) the evidence of the group `hour`, which needs the population's hours besides the user's own."""
    hour, weight, payments = (features.column(name) for name in hours.FACTS)
    return hours.unusual(hour, weight, payments, habits)


def known_most(columns: list[Floats]) -> Floats:
    """(n,) the highest of the columns, each (n,), that are not NaN; NaN where all are. Source: Tippett 1931."""
    most = columns[0]
    for column in columns[1:]:
        most = np.fmax(most, column)
    return most


def known_mean(columns: list[Floats]) -> Floats:
    """(n,) mean of the columns, each (n,), that are not NaN; NaN where all are."""
    count, total = np.zeros(len(columns[0]), np.int8), np.zeros(len(columns[0]))
    for column in columns:
        known = ~np.isnan(column)
        count += known
        total += np.where(known, column, 0.0)
    # 0 / 0 is unknown, as it should be.
    with np.errstate(invalid="ignore"):
        return total / count


def in_cache(rows: int) -> Iterator[slice]:
    """All of so many rows, a few at a time."""
    for start in range(0, rows, ROWS_AT_A_TIME):
        yield slice(start, start + ROWS_AT_A_TIME)


@dataclass(frozen=True, eq=False)
class Reference:
    """Norms, and on top of them the population of each group's mean surprise and of raw.

    raw's population depends on the weights of every group, and on how far each is doubted, so they are a part of it:
    whatever is scored against it is weighed alike, and later as well.
    """

    norms: Norms
    groups: Mapping[str, Tail]
    raw: Tail
    rows: int
    weights: Mapping[str, float] = field(default_factory=lambda: WEIGHTS)
    doubts: Mapping[str, float] = field(default_factory=lambda: NO_DOUBTS)

    @classmethod
    def fit(
        cls, features: Features, weights: Mapping[str, float] = WEIGHTS, *, earlier: Sequence["Judged"] = ()
    ) -> "Reference":
        """A reference of n rows; a group that `weights` lacks counts 1. Raises TooFewRows below MINIMUM_ROWS.

        earlier: which of the rows, (n,), each earlier reference judged, one that ended before them. How rare raw is
        follows from what it said of them: what is strange to norms that have not learned from it, as what comes will
        be to this one's. Source: Dawid 1984 (a forecast is calibrated by what came after it).
        """
        if len(features) < MINIMUM_ROWS:
            raise TooFewRows(f"{len(features)} rows are too few to show what is normal: at least {MINIMUM_ROWS}")
        norms = Norms.fit(features)
        means = norms.group_means(features)
        ranked = [(place, group) for place, group in enumerate(GROUPS) if group not in OF_CHANCES]
        fitted = {group: tails.fit(means[:, place]) for place, group in ranked}
        groups = {group: tail for group, tail in fitted.items() if tail is not None}
        weights, doubts = {**WEIGHTS, **weights}, doubts_of(surprises(means, groups), groups)
        raw = summed([*contributions(means, groups, weights, doubts).T])
        for rows, one in earlier:
            judged = one.norms.group_means(features.take(rows))
            raw[rows] = summed([*contributions(judged, one.groups, weights, doubts).T])
        tail = tail_of_raw(raw, sum(weights[group] for group in groups))
        return cls(norms, groups, tail, len(features), weights, doubts)

    def contributions(self, features: Features) -> Floats:
        """(n, G) what each group adds to raw; 0 where it is unknown."""
        return contributions(self.norms.group_means(features), self.groups, self.weights, self.doubts)

    @cached_property
    def knots(self) -> Knots:
        """Those of GROUPS, for a row that is scored alone."""
        return Knots.of([self.groups.get(group) for group in GROUPS])

    @cached_property
    def scales(self) -> tuple[Floats, Floats]:
        """Weights and doubts of GROUPS, each (G,)."""
        weights, doubts = (np.array([scale[group] for group in GROUPS]) for scale in (self.weights, self.doubts))
        return weights, doubts

    def to_bytes(self) -> bytes:
        """JSON in UTF-8; floats keep every bit."""
        data = {
            "version": VERSION,
            "rows": self.rows,
            "evidence": {name: tail.as_json() for name, tail in self.norms.evidence.items()},
            "amounts": {str(code): tail.as_json() for code, tail in self.norms.amounts.items()},
            "hours": self.norms.hours.tolist(),
            "at_hour": {str(code): one.as_json() for code, one in self.norms.at_hour.items()},
            "spreads": {str(code): spread for code, spread in self.norms.spreads.items()},
            "in_category": {str(code): one.as_json() for code, one in self.norms.in_category.items()},
            "groups": {name: tail.as_json() for name, tail in self.groups.items()},
            "raw": self.raw.as_json(),
            "weights": dict(self.weights),
            "doubts": dict(self.doubts),
        }
        return json.dumps(data, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Reference":
        """The reference that `to_bytes` wrote. Raises BadReference."""
        try:
            parsed = json.loads(data)
            if parsed["version"] != VERSION:
                raise BadReference(f"version {parsed['version']}, not {VERSION}")
            groups, raw = tails_from(parsed["groups"]), tails.from_json(parsed["raw"])
            weights, doubts = (
                {group: float(parsed[name][group]) for group in GROUPS} for name in ("weights", "doubts")
            )
            return cls(norms_from(parsed), groups, raw, parsed["rows"], weights, doubts)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadReference("not a reference") from error


# Which rows, and the reference that judged them.
Judged = tuple[Bools, Reference]


def contributions(
    means: Floats, groups: Mapping[str, Tail], weights: Mapping[str, float], doubts: Mapping[str, float]
) -> Floats:
    """(n, G) weight times the decades of surprise that count, and a little for what lies below."""
    result = np.zeros((len(GROUPS), len(means)))
    for rows in in_cache(len(means)):
        for place, group in counted(groups):
            surprise = tails.known_or_0(surprise_of(means[rows, place], group, groups))
            decades = surprise - NOISE[group]
            if doubts[group]:
                decades = np.minimum(decades, CATCHING_UP * (decades - doubts[group]))
            result[place, rows] = weights[group] * np.maximum(decades, 0) + TIE_BREAKER * surprise
    return result.T


def counted(groups: Mapping[str, Tail]) -> list[tuple[int, str]]:
    """The groups that can say anything, with their places."""
    return [(place, group) for place, group in enumerate(GROUPS) if group in groups or group in OF_CHANCES]


def surprise_of(means: Floats, group: str, groups: Mapping[str, Tail]) -> Floats:
    """(n,) the surprise of the mean surprises of one group; a chance counts as it is."""
    return groups[group].surprise(means) if group in groups else means


def surprises(means: Floats, groups: Mapping[str, Tail]) -> Floats:
    """(n, G) the surprise of every group; NaN where it knows nothing."""
    result = np.full((len(GROUPS), len(means)), np.nan)
    for rows in in_cache(len(means)):
        for place, group in counted(groups):
            result[place, rows] = surprise_of(means[rows, place], group, groups)
    return result.T


def doubts_of(population: Floats, groups: Mapping[str, Tail]) -> Mapping[str, float]:
    """How far each group is doubted by the surprises (n, G) of a population. Chances keep to a model of their own."""
    found = dict(zip(GROUPS, corroboration.doubts(population), strict=True))
    return {group: found[group] if group in groups else 0.0 for group in GROUPS}


Number = TypeVar("Number", float, Floats)


def summed(parts: Sequence[Number]) -> Number:
    """raw from what each of the G groups adds, plain numbers or columns (n,).

    In the order in which NumPy adds up G numbers that lie side by side: references that are kept were fitted so.
    """
    pairs = [one + other for one, other in zip(parts[0:8:2], parts[1:8:2], strict=True)]
    total = (pairs[0] + pairs[1]) + (pairs[2] + pairs[3])
    # Not sum(): from Python 3.12 on it carries the lost bits along.
    for part in parts[8:]:
        total = total + part
    return total


def tail_of_raw(raw: Floats, together: float) -> Tail:
    """The population of raw (n,), from which rarity is read. together: the weights of the groups that it is a sum of.

    Continued as it went in the decade before, if that lies beyond one in a hundred. In a small population it lies where
    most rows have no reason at all, and goes on far too fast: then the slope is at least that of groups which exceed
    together, so that raw grows by all their weights in a decade. However they depend on each other, it grows no faster
    in the long run: by the union bound, raw is x with a chance of at most G 10^(-1 - x/G) for G groups that weigh 1.
    """
    trusted = float(np.log10(len(raw) / ROWS_BEYOND_TRUSTED))
    seen = min(max(trusted - tails.TRUSTED, 0.0), 1.0)
    return tails.sketch(raw, trusted=trusted, least_slope=(1 - seen) * together)


def norms_from(parsed: Mapping[str, Any]) -> Norms:
    by_currency = {int(code): tail for code, tail in tails_from(parsed["amounts"]).items()}
    at_hour, in_category = (histograms_from(parsed[name]) for name in ("at_hour", "in_category"))
    spreads = {int(code): float(spread) for code, spread in parsed["spreads"].items()}
    usual_hours = np.array(parsed["hours"], np.float64)
    return Norms(tails_from(parsed["evidence"]), by_currency, usual_hours, at_hour, in_category, spreads)


def histograms_from(parsed: Mapping[str, Any]) -> dict[int, Histogram]:
    return {int(code): joint.from_json(one) for code, one in parsed.items()}


def tails_from(parsed: Mapping[str, Any]) -> dict[str, Tail]:
    return {name: tails.from_json(tail) for name, tail in parsed.items()}
