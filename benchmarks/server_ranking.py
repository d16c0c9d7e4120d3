"""How well the scores of a loaded server find the frauds of a labelled period, beside its rivals.

    python -m benchmarks.server_ranking LABELS.csv.gz --id TRANSACTION_ID --namespace handbook \\
        --start 2018-08-08 --days 7

Unlike `benchmarks.detection`, which reads files, this asks the database: the transactions as load_data stored
them, and for each the score that the server gives it, with the reference that was in force at its time. The
rivals get the same features. Labels judge and nothing else; the protocol is that of `benchmarks.detection`.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import django
import numpy as np

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "anomaly_server.settings")
django.setup()

from anomalies import references  # noqa: E402
from benchmarks.detection import (  # noqa: E402
    REFERENCE_DAYS,
    TOP_CARDS,
    Labelled,
    figures,
    judged,
    lines,
    metrics,
    rival_scores,
)
from scoring import baseline  # noqa: E402
from scoring.columns import Bools, Floats  # noqa: E402
from transactions import history, merchants, pieces, scorer  # noqa: E402
from transactions.loading.shape import identifier  # noqa: E402


def stored(since: datetime, until: datetime) -> history.History:
    """All transactions in [since, until), wanted, with what lies before them."""
    users = pieces.everybody()
    return history.of_users(users, [since] * len(users), until=until)


def server_scores(past: history.History) -> Floats:
    """(n,) decades of rarity of each row of the history, as the server scores it; 0 where it gives no score."""
    decades = np.zeros(len(past))
    with merchants.stretches(users=0) as stretches:
        for part in scorer.judge(past, stretches):
            decades[part.rows] = np.log10(part.scores.rarity)
    return decades


def rankings(past: history.History, rows: Bools, before: Bools, start: datetime) -> dict[str, Floats]:
    """Each scorer's ranking of the judged `rows`; the rivals are fitted on the rows `before`."""
    reference = references.in_force(start)
    if reference is None:
        raise SystemExit("No reference is in force at the start of the period: run `manage.py score` first.")
    with merchants.stretches(users=0) as stretches:
        features = stretches.features(past, np.ones(len(past), np.bool_))
    return {
        "server": server_scores(past)[rows],
        "rolling mean": baseline.amount_over_mean(past.columns)[rows],
        **rival_scores(features, reference.content, before, rows),
    }


def frauds(labels: Path, column: str, namespace: str) -> set[bytes]:
    """The ids of the frauds as the server knows them. Where a column TX_FRAUD stands, only those with 1."""
    rows: Iterator[dict[str, str]] = lines([labels])
    return {UUID(identifier(namespace, row[column])).bytes for row in rows if row.get("TX_FRAUD", "1") == "1"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path, help="gzipped CSV that names the frauds")
    parser.add_argument("--id", required=True, metavar="COLUMN", help="the column with the transaction's id")
    parser.add_argument("--namespace", required=True, help="as it was given to load_data")
    parser.add_argument("--start", required=True, metavar="YYYY-MM-DD", type=datetime.fromisoformat)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    start = options.start.replace(tzinfo=UTC)
    past = stored(start - timedelta(days=REFERENCE_DAYS), start + timedelta(days=options.days))
    found = frauds(options.labels, options.id, options.namespace)
    labelled = Labelled(past.columns, np.array([row.tobytes() in found for row in past.ids], dtype=bool))
    first = int(np.datetime64(options.start, "D").astype(np.int64))
    rows = judged(labelled, first, options.days) & past.wanted
    before = past.wanted & (labelled.day < first)
    result = {name: metrics(values, labelled, rows) for name, values in rankings(past, rows, before, start).items()}
    if options.json:
        print(json.dumps(result))
        return 0
    print(f"{options.start:%Y-%m-%d}, {options.days} days, {int(rows.sum()):,} transactions")
    print(f"{'':22}AUC / AP / CP@{TOP_CARDS}")
    for name, values in result.items():
        print(f"{name:22}{figures(values.values())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
