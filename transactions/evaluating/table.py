"""An evaluation as lines for people."""

import math
from collections.abc import Iterator

from scoring.evaluation import Measured
from transactions.evaluating.measure import ALL_KINDS, Evaluation, Kind

MEASURES = ("auc", "ap", "cp", "recall", "precision")
WIDTH = 21


def lines(found: Evaluation) -> Iterator[str]:
    """The summary table, then what must be known to read it."""
    yield heading(found)
    name_width = max(len(name) for name in found.cases_a_day) + 2
    yield f"{'':{name_width + 2}}" + "".join(f"{title:<{WIDTH}}" for title in titles(found))
    for kind in found.kinds:
        yield kind_title(found, kind)
        for name, measures in kind.scorers.items():
            cells = (cell(measures.get(measure)) for measure in MEASURES)
            yield f"  {name:{name_width}}" + "".join(f"{text:<{WIDTH}}" for text in cells).rstrip()
    yield from notes(found)


def heading(found: Evaluation) -> str:
    period = found.period
    return (
        f"{period.first} to {period.last} (UTC): {found.transactions:,} transactions of {found.users:,} users, "
        f"{found.kinds[0].frauds:,} frauds; labels from {found.labels}."
    )


def titles(found: Evaluation) -> tuple[str, ...]:
    return ("AUC", "AP", f"CP@{found.ask.cards}", "recall", "precision")


def kind_title(found: Evaluation, kind: Kind) -> str:
    name = "all frauds" if kind.name == ALL_KINDS else f"kind {kind.name}"
    return (
        f"{name}: {kind.frauds:,} of {kind.users:,} users; no ranking reaches more than "
        f"{kind.ceiling:.3f} in CP@{found.ask.cards}"
    )


def cell(measured: Measured | None) -> str:
    """0.912 (0.901–0.923); a dash where there is no such figure."""
    if measured is None or math.isnan(measured.value):
        return "–"
    if math.isnan(measured.low):
        return f"{measured.value:.3f}"
    return f"{measured.value:.3f} ({measured.low:.3f}–{measured.high:.3f})"


def notes(found: Evaluation) -> Iterator[str]:
    ask, delay = found.ask, found.period.delay_days
    if ask.resamples:
        yield f"In brackets: 95 % of {ask.resamples:,} draws of as many users, with repetition (seed {ask.seed})."
    yield f"Recall and precision are of transactions, at the alert budget of {ask.budget:,} cases a day. " + cases(
        found
    )
    known = "from its verdict on" if delay is None else f"after {delay} days"
    yield f"Left out: {found.left_out:,} transactions of users known to be compromised; a fraud is known {known}."
    if found.unscored:
        yield f"{found.unscored:,} transactions lie before the first reference: without a score, they rank last."
    for name, shares in found.shares.items():
        yield f"Share of transactions at or above a score of {name}, all / ordinary / promised: " + ", ".join(
            f"{level}: {share:.3%} / {shares['ordinary'][level]:.3%} / {10 ** (-level / 20):.3%}"
            for level, share in shares["all"].items()
        )
    yield "Stored models: " + "; ".join(
        f"{model['name']} ({model['state']}, "
        + (f"above as {model['evaluated_as']})" if model["evaluated_as"] else "not evaluated)")
        for model in found.models
    )


def cases(found: Evaluation) -> str:
    given = ", ".join(f"{name} {count:.1f}" for name, count in found.cases_a_day.items())
    return f"Users with an alert a day, those left out included: {given}."
