"""How many of the demo data's planted anomalies the scores of the loaded server find, kind by kind.

    python manage.py load_data --demo
    python -m benchmarks.demo_kinds [--labels var/demo-labels.csv]

Rows are planted payments. A victim is a user with all that was planted on him of one kind, and is found if one
of these rows is. Cases are opened for the newest days only, so their share is that of the rows of those days.
"""

import argparse
import csv
import json
import os
import sys
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "anomaly_server.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402

from anomalies.record import CASES_FOR  # noqa: E402

BEGIN = "CREATE TEMP TABLE demo_labels (transaction_id uuid PRIMARY KEY, kind text NOT NULL)"
COPY = "COPY demo_labels FROM STDIN"
# One line a kind, and one for everything that is not planted.
KINDS = """
    WITH judged AS (
        SELECT coalesce(label.kind, 'ordinary') AS kind, paid.user_id, coalesce(anomaly.score, 0) AS score,
            paid.txn_date > max(paid.txn_date) OVER () - %(cases_for)s AS is_new,
            coalesce(review.state <> 'closed', false) AS has_case
        FROM transactions AS paid
        LEFT JOIN demo_labels AS label ON label.transaction_id = paid.id
        LEFT JOIN anomalies AS anomaly ON anomaly.transaction_id = paid.id
        LEFT JOIN cases AS review ON review.id = anomaly.case_id
    )
    SELECT kind, count(*) AS rows,
        avg((score >= 40)::int) AS "40", avg((score >= 60)::int) AS "60",
        count(DISTINCT user_id) AS victims,
        count(DISTINCT user_id) FILTER (WHERE score >= 40)::numeric / count(DISTINCT user_id) AS "victims 40",
        count(DISTINCT user_id) FILTER (WHERE score >= 60)::numeric / count(DISTINCT user_id) AS "victims 60",
        count(*) FILTER (WHERE is_new) AS new,
        avg(has_case::int) FILTER (WHERE is_new) AS "new, case",
        count(*) FILTER (WHERE score >= 40) AS above_40, count(*) FILTER (WHERE score >= 60) AS above_60
    FROM judged GROUP BY 1 ORDER BY kind = 'ordinary', kind
"""
SHARES = ("40", "60", "victims 40", "victims 60", "new, case")


def measure(labels: Path) -> list[dict[str, Any]]:
    """One line a kind; ordinary rows last."""
    with labels.open(newline="", encoding="utf-8") as file:
        rows = [(row["transaction_id"], row["kind"]) for row in csv.DictReader(file)]
    with connection.cursor() as cursor:
        cursor.execute(BEGIN)
        with cursor.copy(COPY) as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute(KINDS, {"cases_for": CASES_FOR})
        names = [column.name for column in cursor.description]
        found = [dict(zip(names, line, strict=True)) for line in cursor.fetchall()]
    if sum(line["rows"] for line in found if line["kind"] != "ordinary") < len(rows):
        raise SystemExit(f"Not all of {labels} is in the database: load the demo data that it belongs to.")
    return found


def table(lines: list[dict[str, Any]]) -> str:
    """The lines in Markdown."""
    heads = ("kind", "rows", "score ≥ 40", "≥ 60", "victims", "≥ 40", "≥ 60", "new rows", "in an open case")
    keys = ("kind", "rows", "40", "60", "victims", "victims 40", "victims 60", "new", "new, case")
    written = [f"| {' | '.join(heads)} |", f"|---{'|--:' * (len(heads) - 1)}|"]
    for line in lines:
        written.append(f"| {' | '.join(shown(line[key], is_share=key in SHARES) for key in keys)} |")
    return "\n".join(written)


def shown(value: Any, *, is_share: bool) -> str:
    if is_share:
        return "–" if value is None else f"{100 * value:.1f} %"
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
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    lines = measure(options.labels)
    if options.json:
        print(json.dumps(lines, default=float))
        return 0
    print(table(lines))
    print()
    print("\n".join(precision(lines, level) for level in (40, 60)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
