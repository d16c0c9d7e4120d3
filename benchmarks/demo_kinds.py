"""How many of the demo data's planted anomalies the scores of the loaded server find, kind by kind.

    python manage.py load_data --demo
    python -m benchmarks.demo_kinds [--labels var/demo-labels.csv] [--cases K]

Rows are planted payments. A victim is a user with all that was planted on him of one kind, and is found if one
of these rows is. At the alert budget: if one of them reaches the threshold that the 14 days before its day give, as
the server finds it; then the strangest of them says why, and the cause is right if its weightiest reason is of a
group in CAUSES. Only reads: a budget given by --cases is rolled back.
"""

import argparse
import csv
import json
import os
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "anomaly_server.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.db import connection, transaction  # noqa: E402

from anomalies import budget  # noqa: E402
from anomalies.models import AlertBudget  # noqa: E402

# The groups of evidence that a kind's definition in transactions/demo/planted.py implies: by what it plants, not by
# what is found of it. Four kinds are paid by thieves, who keep hours of their own (`stage.anytime`).
CAUSES: dict[str, tuple[str, ...]] = {
    # Many times the user's mean: large for the user, and so for everybody and for the category.
    "amount_spike": ("own_amount", "population_amount", "category"),
    # Many in minutes, a third of them refused, mostly from an unknown device, at any hour.
    "small_burst": ("velocity", "novelty", "hour"),
    # After months without a payment.
    "dormant_wakes": ("silence",),
    # Nothing but the hour is strange.
    "odd_hour": ("hour",),
    # A country and a device that the user never had, at any hour.
    "new_country_device": ("novelty", "hour"),
    # Several within days, each of them large.
    "structuring": ("spell", "velocity", "own_amount", "population_amount", "category"),
    # The same amount at the same merchant within minutes.
    "duplicate_charge": ("repeat",),
    # Several a day for some days, raised amounts, an unknown device, at any hour.
    "takeover_spell": ("spell", "velocity", "own_amount", "novelty", "hour"),
    # Each amount is usual: the merchant's customers together tell, by how many they are and how unlike themselves, and
    # the hour, which is the thief's.
    "compromised_merchant": ("merchant_surge", "departures", "hour"),
}
DAY = timedelta(days=1)

BEGIN = "CREATE TEMP TABLE demo_labels (transaction_id uuid PRIMARY KEY, kind text NOT NULL)"
COPY = "COPY demo_labels FROM STDIN"
# One line a kind, and one for everything that is not planted.
KINDS = """
    WITH judged AS (
        SELECT coalesce(label.kind, 'ordinary') AS kind, paid.user_id, coalesce(anomaly.score, 0) AS score
        FROM transactions AS paid
        LEFT JOIN demo_labels AS label ON label.transaction_id = paid.id
        LEFT JOIN anomalies AS anomaly ON anomaly.transaction_id = paid.id
    )
    SELECT kind, count(*) AS rows,
        avg((score >= 40)::int) AS "40", avg((score >= 60)::int) AS "60",
        count(DISTINCT user_id) AS victims,
        count(DISTINCT user_id) FILTER (WHERE score >= 60)::numeric / count(DISTINCT user_id) AS "victims 60",
        count(*) FILTER (WHERE score >= 40) AS above_40, count(*) FILTER (WHERE score >= 60) AS above_60
    FROM judged GROUP BY 1 ORDER BY kind = 'ordinary', kind
"""
# The anomalies, the strangest first, with the group of their weightiest reason.
ALERTS = """
    SELECT coalesce(label.kind, 'ordinary'), anomaly.user_id, anomaly.score,
        date_trunc('day', anomaly.txn_date, 'UTC'), anomaly.reasons -> 0 ->> 'group'
    FROM anomalies AS anomaly
    LEFT JOIN demo_labels AS label USING (transaction_id)
    ORDER BY anomaly.score DESC, anomaly.transaction_id
"""
SHARES = ("40", "60", "victims 60", "recall", "cause")


class Alert(NamedTuple):
    """An anomaly and the group that explains most of it; `day` is its midnight in UTC."""

    kind: str
    user_id: UUID
    score: float
    day: datetime
    group: str


def measure(labels: Path) -> list[dict[str, Any]]:
    """One line a kind; ordinary rows last."""
    with labels.open(newline="", encoding="utf-8") as file:
        rows = [(row["transaction_id"], row["kind"]) for row in csv.DictReader(file)]
    with connection.cursor() as cursor:
        cursor.execute(BEGIN)
        with cursor.copy(COPY) as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute(KINDS)
        names = [column.name for column in cursor.description]
        found = [dict(zip(names, line, strict=True)) for line in cursor.fetchall()]
        cursor.execute(ALERTS)
        alerts = [Alert(*row) for row in cursor.fetchall()]
    if sum(line["rows"] for line in found if line["kind"] != "ordinary") < len(rows):
        raise SystemExit(f"Not all of {labels} is in the database: load the demo data that it belongs to.")
    top = list(strongest(alerts))
    for line in found:
        tops = [one.group for one in top if one.kind == line["kind"]]
        causes = CAUSES.get(line["kind"])
        line["found"], line["recall"] = len(tops), len(tops) / line["victims"]
        line["cause"] = sum(group in causes for group in tops) / len(tops) if tops and causes else None
        line["tops"] = {group: tops.count(group) for group in sorted(set(tops), key=tops.count, reverse=True)}
    return found


def strongest(alerts: list[Alert]) -> Iterator[Alert]:
    """Of each user and kind the strangest anomaly that reached the threshold of its day."""
    threshold = {day: budget.threshold(day) for day in {alert.day for alert in alerts}}
    reached = (alert for alert in reversed(alerts) if alert.score >= threshold[alert.day])
    return iter({(alert.kind, alert.user_id): alert for alert in reached}.values())


def table(lines: list[dict[str, Any]]) -> str:
    """The lines in Markdown."""
    heads = ("kind", "rows", "score ≥ 40", "≥ 60", "victims", "≥ 60", "found", "recall", "cause is top", "top reasons")
    keys = ("kind", "rows", "40", "60", "victims", "victims 60", "found", "recall", "cause", "tops")
    written = [f"| {' | '.join(heads)} |", f"|---{'|--:' * (len(heads) - 2)}|---|"]
    for line in lines:
        written.append(f"| {' | '.join(shown(line[key], is_share=key in SHARES) for key in keys)} |")
    return "\n".join(written)


def shown(value: Any, *, is_share: bool) -> str:
    if is_share:
        return "–" if value is None else f"{100 * value:.1f} %"
    if isinstance(value, dict):
        return ", ".join(f"{group} {times}" for group, times in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


def precision(lines: list[dict[str, Any]], level: int) -> str:
    """How much of what is at the level or above was planted."""
    above = sum(line[f"above_{level}"] for line in lines)
    planted = sum(line[f"above_{level}"] for line in lines if line["kind"] != "ordinary")
    return (
        f"Of {above:,} rows with a score of {level} or more, {planted:,} are planted ({planted / max(above, 1):.0%})."
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, default=settings.BASE_DIR / "var" / "demo-labels.csv")
    parser.add_argument("--cases", type=int, metavar="K", help="alert budget (default: the one in force)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with transaction.atomic():
        if options.cases:
            AlertBudget.objects.create(cases_per_day=options.cases)
        lines = measure(options.labels)
        transaction.set_rollback(True)
    if options.json:
        print(json.dumps(lines, default=float))
        return 0
    print(table(lines))
    print()
    print("\n".join(precision(lines, level) for level in (40, 60)))
    told = f"{options.cases:,} cases a day" if options.cases else "the alert budget in force"
    print(f"Found, recall and top reasons are of victims, at {told}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
