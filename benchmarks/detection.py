"""How well the label-free ranking finds frauds in public labelled data, beside its rivals on the same features.

    ANOMALY_DATA=/folder python -m benchmarks.detection [--data handbook|sparkov] [--periods DAY ...] [--json]

ANOMALY_DATA holds `handbook/` and `sparkov/`. Each week of a period is scored with a reference of the 30 days
before it, and the rivals learn from the same days. Labels judge and nothing else: known compromised cards leave
the test period as in the Fraud Detection Handbook, where a fraud is known 7 days later and training began 14
days before the test. Where the data say which frauds nobody tells without a label, two rankings stand beside: that of
somebody who knows all others, about the ceiling of average precision; and that of gradient boosting which is taught by
the labels of these others (`benchmarks.taught`), which is what our features have in them. Below the table stand the
ratios to the rivals, and what was aimed at and whether it is reached.
"""

import argparse
import csv
import gzip
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import scoring
from benchmarks import taught
from benchmarks.rivals import DRAWS, RIVALS, forest
from scoring import baseline, evaluation, visits
from scoring.columns import Bools, Floats, Ints
from scoring.evaluation import auc, average_precision, card_precision
from scoring.population import EVIDENCE as ALWAYS
from scoring.reference import EVIDENCE

DAY_US = 86_400_000_000
REFERENCE_DAYS = 30
# The server builds a new reference every week.
REFERENCE_EVERY_DAYS = 7
TOP_CARDS = 100
LEVELS = (40, 60, 80)

OURS = "ours"
ALL_BUT_HIDDEN = "all but the hidden"
TAUGHT = "taught by labels"
Ranking = dict[str, Floats]


@dataclass(frozen=True)
class Labelled:
    """Transactions with the truth about them, both in the order of `columns`."""

    columns: scoring.Columns
    fraud: Bools
    # Frauds that nobody tells from their victim's own payments without a label; None where no column says which.
    hidden: Bools | None = None

    @property
    def day(self) -> Ints:
        return self.columns.at_us // DAY_US


@dataclass(frozen=True)
class DataSet:
    """Where a data set's columns are, and the periods it is judged on by default."""

    folder: str
    identity: str
    time: str
    user: str
    amount: str
    days: int
    starts: tuple[str, ...]
    merchant: str
    category: str | None = None
    # Column and value of the list of frauds that mark the hidden ones.
    hidden: tuple[str, str] | None = None


@dataclass(frozen=True)
class Period:
    """What was measured in one test period: metrics by scorer, shares of all its rows by level."""

    start: str
    rows: int
    frauds: int
    share_at: dict[int, float]
    metrics: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Target:
    """A figure aimed at: `least` of what `measure` makes of the periods."""

    name: str
    least: float
    measure: Callable[[Sequence[Period]], float]


HANDBOOK = DataSet(
    folder="handbook",
    identity="TRANSACTION_ID",
    time="TX_DATETIME",
    user="CUSTOMER_ID",
    amount="TX_AMOUNT",
    merchant="TERMINAL_ID",
    days=7,
    starts=("2018-07-11", "2018-07-18", "2018-07-25", "2018-08-01", "2018-08-08"),
    # Ordinary payments of all customers of a compromised merchant.
    hidden=("TX_FRAUD_SCENARIO", "2"),
)
SPARKOV = DataSet(
    folder="sparkov",
    identity="trans_num",
    time="occurred_at",
    user="card",
    amount="amt",
    merchant="merchant",
    category="category",
    days=30,
    starts=("2019-04-01", "2019-08-01", "2019-11-01"),
)
DATA = {data.folder: data for data in (HANDBOOK, SPARKOV)}


def lines(paths: Iterable[Path]) -> Iterator[dict[str, str]]:
    """The rows of gzipped CSV files, one file after the other."""
    for path in paths:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)


def read(folder: Path, data: DataSet) -> Labelled:
    """All transactions of a data set, each user's in the order of time and id."""
    fields = (data.identity, data.time, data.user, data.amount, data.merchant, data.category or data.merchant)
    rows = [[row[name] for name in fields] for row in lines(sorted(folder.glob("transactions*.csv.gz")))]
    identity, time, user, amount, merchant, category = np.array(rows).T
    frauds = list(lines([folder / "frauds.csv.gz"]))
    at_us = np.char.rstrip(time, "Z").astype("datetime64[us]").astype(np.int64)
    users = np.unique(user, return_inverse=True)[1]
    order = np.lexsort((identity, at_us, users))
    columns = scoring.Columns(
        user=users[order],
        at_us=at_us[order],
        minor=np.rint(amount.astype(np.float64)[order] * 100).astype(np.int64),
        currency=np.zeros(len(order), np.int32),
        failed=np.zeros(len(order), np.bool_),
        merchant=1 + np.unique(merchant, return_inverse=True)[1][order],
        category=(1 + np.unique(category, return_inverse=True)[1][order]) * (data.category is not None),
    )
    is_fraud = np.isin(identity, [row[data.identity] for row in frauds])[order]
    if data.hidden is None:
        return Labelled(columns, is_fraud)
    column, value = data.hidden
    unseen = [row[data.identity] for row in frauds if row[column] == value]
    return Labelled(columns, is_fraud, np.isin(identity, unseen)[order])


def judged(labelled: Labelled, start: int, days: int) -> Bools:
    """The rows of a test period, without cards that were known to be compromised on the day."""
    return evaluation.judged(labelled.columns.user, labelled.day, labelled.fraud, start=start, days=days)


def metrics(scores: Floats, labelled: Labelled, rows: Bools) -> dict[str, float]:
    """AUC, average precision and card precision of scores (k,) of the k `rows`; medians where there are several (k, m).

    Nothing here reads a file.
    """
    if scores.ndim > 1:
        draws = [metrics(draw, labelled, rows) for draw in scores.T]
        return {name: float(np.median([draw[name] for draw in draws])) for name in draws[0]}
    fraud, card, day = labelled.fraud[rows], labelled.columns.user[rows], labelled.day[rows]
    return {
        "auc": auc(scores, fraud),
        "ap": average_precision(scores, fraud),
        f"cp@{TOP_CARDS}": card_precision(scores, fraud, card=card, day=day, top=TOP_CARDS),
    }


def evidence(features: scoring.Features, reference: scoring.Reference) -> Floats:
    """(n, F) what our groups rest on, for the rivals; NaN is unknown, and what is silent is left out."""
    names = [name for group in EVIDENCE.values() for name in group if name in (*reference.norms.evidence, *ALWAYS)]
    return np.stack([reference.norms.value(features, name) for name in names], axis=1)


def raw_columns(features: scoring.Features, _reference: scoring.Reference) -> Floats:
    """(n, 2) log amount and hour: what somebody gives a rival who has no features."""
    return np.stack([np.log1p(features.column("amount")), features.column("hour")], axis=1)


SEEN: dict[str, Callable[[scoring.Features, scoring.Reference], Floats]] = {"": evidence, " raw": raw_columns}


def rival_scores(features: scoring.Features, reference: scoring.Reference, past: Bools, now: Bools) -> Ranking:
    """Scores of the test rows by each rival; what is unknown becomes the median of the past."""
    ranking = {}
    for suffix, columns in SEEN.items():
        before, after = (columns(features.take(rows), reference) for rows in (past, now))
        median = np.nanmedian(before, axis=0)
        before, after = (np.where(np.isnan(values), median, values) for values in (before, after))
        ranking |= {f"{name}{suffix}": rival(before, after) for name, rival in RIVALS.items()}
        if (name := f"IsolationForest{suffix}") in ranking:
            others = [forest(before, after, seed) for seed in range(1, DRAWS)]
            ranking[name] = np.stack([ranking[name], *others], axis=1)
    return ranking


def ceiling(labelled: Labelled, rows: Bools) -> Ranking:
    """The ranking of somebody who knows every fraud but the hidden ones, and of those nothing."""
    return (
        {}
        if labelled.hidden is None
        else {ALL_BUT_HIDDEN: (labelled.fraud & ~labelled.hidden)[rows].astype(np.float64)}
    )


def taught_ranking(labelled: Labelled, features: scoring.Features, begin: int, rows: Bools) -> Ranking:
    """The ranking of somebody who is taught by all labels before a day but those of hidden frauds."""
    if labelled.hidden is None:
        return {}
    past = (labelled.day >= begin - taught.TAUGHT_DAYS) & (labelled.day < begin) & ~labelled.hidden
    return {TAUGHT: taught.ranking(features, labelled.fraud, past, rows)}


def weeks(first: int, days: int) -> Iterator[tuple[int, int]]:
    """First day and day after the last of each part of a period that has a reference of its own."""
    for start in range(first, first + days, REFERENCE_EVERY_DAYS):
        yield start, min(start + REFERENCE_EVERY_DAYS, first + days)


def judge(labelled: Labelled, features: scoring.Features, rolling: Floats, *, start: str, days: int) -> Period:
    """One test period, each week with a reference of the days before it."""
    first = int(np.datetime64(start, "D").astype(np.int64))
    judged_rows = judged(labelled, first, days)
    rankings, places, points = [], [], []
    for begin, end in weeks(first, days):
        past = (labelled.day >= begin - REFERENCE_DAYS) & (labelled.day < begin)
        whole = (labelled.day >= begin) & (labelled.day < end)
        rows = judged_rows & whole
        reference = scoring.Reference.fit(features.take(past))
        ours = scoring.score(features.take(rows), reference).raw
        rivals = rival_scores(features, reference, past, rows)
        known = {**ceiling(labelled, rows), **taught_ranking(labelled, features, begin, rows)}
        rankings.append({OURS: ours, **known, "rolling mean": rolling[rows], **rivals})
        places.append(np.flatnonzero(rows))
        points.append(scoring.score(features.take(whole), reference).score)
    order = np.argsort(np.concatenate(places))
    ranking = {name: np.concatenate([part[name] for part in rankings])[order] for name in rankings[0]}
    score = np.concatenate(points)
    return Period(
        start=start,
        rows=int(judged_rows.sum()),
        frauds=int(labelled.fraud[judged_rows].sum()),
        share_at={level: float((score >= level).mean()) for level in LEVELS},
        metrics={name: metrics(values, labelled, judged_rows) for name, values in ranking.items()},
    )


def table(periods: Sequence[Period]) -> Iterator[str]:
    """Lines for people: AUC / AP / CP of each scorer by period, and the mean."""
    yield f"{'':22}" + "".join(f"{period.start:>22}" for period in periods) + f"{'mean':>22}"
    for name in periods[0].metrics:
        cells = [list(period.metrics[name].values()) for period in periods]
        yield f"{name:22}" + "".join(f"{figures(cell):>22}" for cell in (*cells, np.mean(cells, axis=0)))
    for level in LEVELS:
        shares = ", ".join(f"{period.share_at[level]:.3%}" for period in periods)
        yield f"share of all rows at a score of {level} or more: {shares}"


def mean(periods: Sequence[Period], scorer: str, metric: str) -> float:
    """The mean over the periods."""
    return float(np.mean([period.metrics[scorer][metric] for period in periods]))


def mean_of(metric: str) -> Callable[[Sequence[Period]], float]:
    return lambda periods: mean(periods, OURS, metric)


def times(rival: str) -> Callable[[Sequence[Period]], float]:
    """Our mean average precision over the rival's, on the same features."""
    return lambda periods: mean(periods, OURS, "ap") / mean(periods, rival, "ap")


def of_period(start: str) -> Callable[[Sequence[Period]], float]:
    """The average precision of the period from `start` on; NaN if it was not measured."""
    return lambda periods: next((period.metrics[OURS]["ap"] for period in periods if period.start == start), np.nan)


def least_times(rival: str, metric: str) -> Callable[[Sequence[Period]], float]:
    """Our metric over the rival's in the period where that is least."""
    return lambda periods: min(period.metrics[OURS][metric] / period.metrics[rival][metric] for period in periods)


TARGETS: dict[str, tuple[Target, ...]] = {
    "handbook": (
        Target("mean AP", 0.25, mean_of("ap")),
        Target("mean AP over IsolationForest's", 1.25, times("IsolationForest")),
        Target("mean AP over ECOD's", 1.5, times("ECOD")),
        Target("AP of the published week 2018-08-08", 0.21, of_period("2018-08-08")),
    ),
    "sparkov": (
        Target("mean AUC", 0.93, mean_of("auc")),
        Target("mean AP", 0.28, mean_of("ap")),
        Target("least AUC over ECOD's", 1.0, least_times("ECOD", "auc")),
        Target("least AP over ECOD's", 1.0, least_times("ECOD", "ap")),
    ),
}


def ratios(periods: Sequence[Period]) -> Iterator[str]:
    """Lines for people: our average precision over each rival's, by period, and of the means."""
    for name in periods[0].metrics:
        if name != OURS:
            cells = [*(least_times(name, "ap")([period]) for period in periods), times(name)(periods)]
            yield f"AP, ours / {name}: " + " ".join(f"{cell:.2f}" for cell in cells[:-1]) + f"; means {cells[-1]:.2f}"


def verdicts(periods: Sequence[Period], targets: Iterable[Target]) -> Iterator[str]:
    """Lines for people: what was aimed at, what it came to, and whether that is enough."""
    for target in targets:
        found = target.measure(periods)
        told = "not measured" if np.isnan(found) else "reached" if found >= target.least else "not reached"
        yield f"{target.name}: {found:.3f}, at least {target.least:g} aimed at: {told}"


def figures(values: Iterable[float]) -> str:
    return " / ".join(f"{value:.3f}" for value in values)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=sorted(DATA), default="handbook")
    parser.add_argument("--periods", nargs="+", metavar="YYYY-MM-DD", help="first days of the test periods")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    data = DATA[options.data]
    folder = os.environ.get("ANOMALY_DATA")
    if not folder:
        print("ANOMALY_DATA is not set: nothing to judge. It names the folder that holds handbook/ and sparkov/.")
        return 0
    labelled = read(Path(folder) / data.folder, data)
    features = scoring.build(labelled.columns, visits=visits.within(labelled.columns))
    rolling = baseline.amount_over_mean(labelled.columns)
    starts = options.periods or data.starts
    periods = [judge(labelled, features, rolling, start=start, days=data.days) for start in starts]
    if options.json:
        print(json.dumps({"data": data.folder, "periods": [asdict(period) for period in periods]}))
    else:
        print(f"{data.folder}: AUC / AP / CP@{TOP_CARDS}, {data.days} days from each start, no labels used")
        for part in (table(periods), ratios(periods), verdicts(periods, TARGETS[data.folder])):
            print("\n".join(part), end="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
