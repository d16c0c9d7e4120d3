"""Each scorer's measures, of all frauds and of each kind, with their intervals."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from anomalies.models import ModelVersion
from scoring import baseline
from scoring.columns import Bools, Floats
from scoring.evaluation import (
    CardDays,
    Caught,
    Measure,
    Measured,
    Ranking,
    bootstrapped,
    budget_alerts,
    card_precision_ceiling,
    judged,
)
from transactions.evaluating.failures import EvaluationFailed
from transactions.evaluating.gather import Gathered, Period, Progress
from transactions.evaluating.labels import Labels
from transactions.evaluating.rivals import Rival

ALL_KINDS = "all"
MEAN, RULE = "rolling mean", "rolling-mean rule"
# Whose scores are compared with their promise.
TRAFFIC = ("all", "ordinary")
# Shares of rows at or above a score are compared with what the score promises.
LEVELS = (20, 40, 60, 80)
POINTS_A_DECADE = 20


@dataclass(frozen=True, slots=True)
class Ask:
    """What to measure: K of CP@K, the alert budget in cases a day, and how often users are drawn."""

    cards: int
    budget: int
    resamples: int
    seed: int


@dataclass(frozen=True, slots=True)
class Scorer:
    """`scores` is None for a rule that only says yes or no; it and `alerts` are of the judged rows.

    `cases` are the users with an alert, each day anew, of all rows: the server does not know who will leave.
    """

    name: str
    scores: Floats | None
    alerts: Bools
    cases: int


@dataclass(frozen=True, slots=True)
class Kind:
    """Measures of one kind of fraud: by scorer, then by the measure's name."""

    name: str
    frauds: int
    users: int
    ceiling: float
    scorers: dict[str, dict[str, Measured]]


@dataclass(frozen=True, slots=True)
class Curves:
    """What the report draws: recall and precision by scorer; by model and TRAFFIC, the shares of rows above points."""

    recall_precision: dict[str, tuple[Floats, Floats]]
    points: Floats
    shares: dict[str, dict[str, Floats]]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All that was measured; counts of rows are of the judged ones unless they say otherwise."""

    labels: str
    labelled: int
    period: Period
    ask: Ask
    transactions: int
    users: int
    left_out: int
    unscored: int
    cases_a_day: dict[str, float]
    kinds: list[Kind]
    shares: dict[str, dict[str, dict[int, float]]]
    models: list[dict[str, str]]
    curves: Curves

    def as_json(self) -> dict[str, Any]:
        """Unknown figures are None."""
        found = {name: getattr(self, name) for name in self.__slots__ if name != "curves"}
        found["ask"] = asdict(self.ask)
        found["period"] = {
            "from": self.period.first.isoformat(),
            "to": self.period.last.isoformat(),
            "delay_days": self.period.delay_days,
        }
        found["kinds"] = [_kind_as_json(kind) for kind in self.kinds]
        found["shares"] = {
            name: {
                traffic: {str(level): _known(share) for level, share in shares.items()}
                for traffic, shares in by_traffic.items()
            }
            for name, by_traffic in self.shares.items()
        }
        return found


def evaluate(
    rows: Gathered, labels: Labels, rivals: Sequence[Rival], period: Period, ask: Ask, progress: Progress
) -> Evaluation:
    """Raises EvaluationFailed where nothing can be measured."""
    inside = rows.day >= period.start
    keep = judged(rows.user, rows.day, rows.kind > 0, start=period.start, days=period.days, known=rows.known)
    test, names = rows.take(keep), [rival.name for rival in rivals]
    _check(rows.take(inside), test, labels, period)
    scorers = list(_scorers(rows, names, period, ask, keep))
    people, numbered = np.unique(test.user, return_inverse=True)
    test = replace(test, user=numbered)
    kinds = []
    chosen = _chosen(test, labels)
    for done, (name, frauds) in enumerate(chosen, start=1):
        kinds.append(_measured(name, test, frauds, scorers, ask))
        progress(done, len(chosen))
    levels = _shares(rows.take(inside), names, np.array(LEVELS, float))
    return Evaluation(
        labels=labels.source,
        labelled=len(labels.by_id),
        period=period,
        ask=ask,
        transactions=len(test.user),
        users=len(people),
        left_out=int(inside.sum() - keep.sum()),
        unscored=int(np.isnan(test.decades).any(axis=1).sum()),
        cases_a_day={scorer.name: scorer.cases / period.days for scorer in scorers},
        kinds=kinds,
        shares={
            name: {traffic: dict(zip(LEVELS, shares.tolist(), strict=True)) for traffic, shares in found.items()}
            for name, found in levels.items()
        },
        models=models(rivals),
        curves=_curves(test, scorers, rows.take(inside), names),
    )


def _chosen(test: Gathered, labels: Labels) -> list[tuple[str, Bools]]:
    """All frauds, and those of each kind where there are several: its name and rows."""
    of_kinds = [(name, test.kind == number) for number, name in enumerate(labels.kinds, start=1)]
    return [(ALL_KINDS, test.kind > 0), *(of_kinds if len(of_kinds) > 1 else [])]


def _check(inside: Gathered, test: Gathered, labels: Labels, period: Period) -> None:
    told = f"from {period.first} to {period.last}"
    if not len(inside.user):
        raise EvaluationFailed(f"There are no transactions {told}.")
    if not inside.kind.any():
        raise EvaluationFailed(
            f"None of the {len(labels.by_id):,} frauds of {labels.source} is a transaction {told}. "
            "Do --from, --to, --id and --namespace fit?"
        )
    if not test.kind.any():
        raise EvaluationFailed(f"All frauds {told} are of users who were known to be compromised: nothing to find.")
    if np.isnan(test.decades).all():
        raise EvaluationFailed(f"No reference was in force {told}: run `manage.py score`, or choose a later period.")


def _scorers(rows: Gathered, names: Sequence[str], period: Period, ask: Ask, keep: Bools) -> Iterator[Scorer]:
    for name, scores in (*zip(names, rows.decades.T, strict=True), (MEAN, rows.over_mean)):
        alerts = budget_alerts(scores, card=rows.user, day=rows.day, start=period.start, budget=ask.budget)
        yield Scorer(name, scores[keep], alerts[keep], _cases(rows, alerts))
    alerts = (rows.over_mean > baseline.TIMES_MEAN) & (rows.day >= period.start)
    yield Scorer(RULE, None, alerts[keep], _cases(rows, alerts))


def _measured(name: str, test: Gathered, frauds: Bools, scorers: list[Scorer], ask: Ask) -> Kind:
    """One kind. Frauds of other kinds are left out: to find them is neither right nor wrong here."""
    rows = frauds | (test.kind == 0)
    some = test.take(rows)
    return Kind(
        name=name,
        frauds=int(frauds.sum()),
        users=len(np.unique(test.user[frauds])),
        ceiling=card_precision_ceiling(frauds[rows], card=some.user, day=some.day, top=ask.cards),
        scorers={
            scorer.name: {
                measure: bootstrapped(
                    function, users=int(test.user.max()) + 1, resamples=ask.resamples, seed=ask.seed
                )
                for measure, function in _measures(scorer, rows, some, frauds[rows], test, ask).items()
            }
            for scorer in scorers
        },
    )  # fmt: skip


def _measures(
    scorer: Scorer, rows: Bools, some: Gathered, frauds: Bools, test: Gathered, ask: Ask
) -> dict[str, Measure]:
    caught = Caught(scorer.alerts[rows], frauds, some.user, users=int(test.user.max()) + 1)
    of_alerts: dict[str, Measure] = {"recall": caught.recall, "precision": caught.precision}
    if scorer.scores is None:
        return of_alerts
    ranking = Ranking(scorer.scores[rows], frauds, some.user)
    days = CardDays(scorer.scores[rows], frauds, user=some.user, day=some.day)
    return {
        "auc": ranking.auc,
        "ap": ranking.average_precision,
        "cp": lambda copies: days.precision(copies, top=ask.cards),
        **of_alerts,
    }


def _cases(rows: Gathered, alerts: Bools) -> int:
    """Users with an alert, each day anew."""
    return len(np.unique(np.stack([rows.user[alerts], rows.day[alerts]]), axis=1).T)


def _curves(test: Gathered, scorers: list[Scorer], inside: Gathered, names: Sequence[str]) -> Curves:
    frauds, points = test.kind > 0, np.arange(0.0, 101.0)
    by_name = {
        scorer.name: Ranking(scorer.scores, frauds, test.user).curve()
        for scorer in scorers
        if scorer.scores is not None
    }
    return Curves(by_name, points, _shares(inside, names, points))


def _shares(inside: Gathered, names: Sequence[str], points: Floats) -> dict[str, dict[str, Floats]]:
    """By model and TRAFFIC, the share of rows at or above each point."""
    every = np.ones(len(inside.kind), np.bool_)
    return {
        name: {
            traffic: shares_above(decades[rows], points)
            for traffic, rows in zip(TRAFFIC, (every, inside.kind == 0), strict=True)
        }
        for name, decades in zip(names, inside.decades.T, strict=True)
    }


def shares_above(decades: Floats, points: Floats) -> Floats:
    """(p,) the share of rows with each score or a higher one; 20 promises 1 in 10, 40 promises 1 in 100."""
    known = np.sort(decades[~np.isnan(decades)] * POINTS_A_DECADE)
    return 1 - np.searchsorted(known, points) / len(known) if len(known) else np.full(len(points), np.nan)


def models(rivals: Sequence[Rival]) -> list[dict[str, str]]:
    """The stored models, and as what the figures name those that were evaluated."""
    names = {rival.model.pk: rival.name for rival in rivals}
    return [
        {"name": model.name, "state": model.state, "evaluated_as": names.get(model.pk, "")}
        for model in ModelVersion.objects.order_by("created_at", "id")
    ]


def _kind_as_json(kind: Kind) -> dict[str, Any]:
    scorers = {
        name: {
            measure: {part: _known(number) for part, number in found._asdict().items()}
            for measure, found in measures.items()
        }
        for name, measures in kind.scorers.items()
    }
    return {**asdict(kind), "ceiling": _known(kind.ceiling), "scorers": scorers}


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number
