"""How long the dashboard's figures take, beside a million transactions and years of cases and verdicts.

    python -m benchmarks.console_dashboard

Makes the tables in a schema of its own, which is gone afterwards. Every figure is asked for several times; printed
are medians in milliseconds, and the whole page as an analyst's browser gets it.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import django
from django.db import connection

TRANSACTIONS = int(os.environ.get("DASHBOARD_TRANSACTIONS", "1000000"))
CASES = int(os.environ.get("DASHBOARD_CASES", "200000"))
ANOMALIES = 2 * CASES
VERDICTS = 2 * CASES
# Users of `scratch.fill`, each of whom waits for a score.
PENDING = 2_000
# Over how long the cases are spread: budgets of some hundreds a day.
DAYS = int(os.environ.get("DASHBOARD_DAYS", "730"))
RUNS = 7
CLOSED_SHARE = 0.97

REASON = """jsonb_build_object('code', 'amount_over_median', 'group', (ARRAY['own_amount', 'population_amount', 'spell',
    'velocity', 'hour', 'category', 'novelty', 'silence'])[1 + (n + place) %% 8], 'contribution', 2.5 - place / 5.0,
    'observed', 910.0, 'expected', 50.0, 'values', jsonb_build_object('amount', 910.0, 'median', 50.0 + n %% 97,
    'deviation', 4.25, 'payments', 50, 'ratio', 18.2, 'times', 9.1, 'last', 50.0, 'name', md5(n::text)))"""
REASONS = ", ".join(REASON.replace("place", str(i)) for i in range(5))
FILL = [
    """INSERT INTO cases (id, user_id, state, priority, anomaly_count, opened_at, since, latest_at, assignee_id,
        lease_until, outcome, closed_at, closed_by_id)
    SELECT id, id, CASE WHEN is_closed THEN 'closed' WHEN n %% 50 = 0 THEN 'claimed' ELSE 'open' END,
        40 + 60 * random(), 2, opened, opened - interval '14 days', opened,
        CASE WHEN NOT is_closed AND n %% 50 = 0 THEN %(analyst)s::int + n %% 8 END, %(now)s + interval '1 hour',
        CASE WHEN is_closed THEN 'fraud' ELSE '' END,
        CASE WHEN is_closed THEN least(opened + random() * interval '20 hours', %(now)s) END,
        CASE WHEN is_closed THEN %(analyst)s::int + n %% 8 END
    FROM (
        SELECT n, ('20000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS id,
            random() < %(closed_share)s AS is_closed,
            %(now)s::timestamptz - make_interval(days => %(days)s) * (1 - n / %(cases)s::float) AS opened
        FROM generate_series(1, %(cases)s) AS n
    ) AS made""",
    """INSERT INTO anomalies (transaction_id, user_id, amount, currency, txn_date, status, merchant_id, score, rarity,
        raw, reasons, features, reference_id, model_version_id, case_id)
    SELECT ('30000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, gen_random_uuid(), 910, 'EUR',
        %(now)s::timestamptz - make_interval(days => %(days)s) * (1 - n / %(anomalies)s::float), 'completed', 'm-1',
        40 + 60 * random() ^ 3, 1000, 4.0, jsonb_build_array(REASONS),
        (SELECT jsonb_object_agg('feature_' || f, random() * n) FROM generate_series(1, 30) AS f),
        gen_random_uuid(), (SELECT id FROM public.model_versions LIMIT 1), NULL
    FROM generate_series(1, %(anomalies)s) AS n""".replace("REASONS", REASONS),
    """INSERT INTO verdicts (id, transaction_id, user_id, value, source, note, known_at)
    SELECT gen_random_uuid(), ('30000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, gen_random_uuid(),
        (ARRAY['fraud', 'legitimate', 'expected', 'unsure'])[1 + n %% 4], 'analyst', '',
        %(now)s::timestamptz - make_interval(days => %(days)s) * (1 - n / %(verdicts)s::float)
    FROM generate_series(1, %(verdicts)s) AS n""",
    """INSERT INTO pending_scores (user_id, since)
    SELECT ('10000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, '2025-06-01'
    FROM generate_series(1, %(pending)s) AS n""",
    "ANALYZE cases; ANALYZE anomalies; ANALYZE verdicts; ANALYZE pending_scores",
]
UNCHECKED = """DO $$ DECLARE named record; BEGIN
    FOR named IN SELECT conname, conrelid::regclass AS held FROM pg_constraint
        WHERE contype = 'f' AND connamespace = current_schema()::regnamespace
    LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', named.held, named.conname); END LOOP; END $$"""


@contextmanager
def filled() -> Iterator[datetime]:
    """The tables, filled; gives the instant up to which they are."""
    from anomalies.models import Anomaly, Case, PendingScore, Verdict
    from benchmarks.scratch import fill, scratch_schema

    now = datetime.now(UTC)
    asked = {
        "now": now,
        "days": DAYS,
        "cases": CASES,
        "anomalies": ANOMALIES,
        "verdicts": VERDICTS,
        "pending": PENDING,
        "analyst": 1,
        "closed_share": CLOSED_SHARE,
    }
    with scratch_schema("dashboard"), connection.cursor() as cursor:
        with connection.schema_editor() as editor:
            for model in (Case, Anomaly, Verdict, PendingScore):
                editor.create_model(model)
        # The rows name accounts and references that need not be there.
        cursor.execute(UNCHECKED)
        fill(TRANSACTIONS)
        for statement in FILL:
            cursor.execute(statement, asked if "%" in statement else None)
        yield now


def median_ms(ask: Callable[[], Any]) -> float:
    taken = []
    for _ in range(RUNS):
        began = time.perf_counter()
        ask()
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken)


def figures(now: datetime) -> dict[str, Callable[[], Any]]:
    from anomalies import budget, figures
    from anomalies.admin import dashboard

    first = (now - timedelta(days=29)).date()
    return {
        "queue and its age": lambda: figures.queue(now),
        "time to verdict": lambda: figures.pace(now),
        "precision": lambda: figures.precision(now),
        "analysts": lambda: figures.analysts(now),
        "scoring": figures.scoring,
        "alert threshold": lambda: budget.reckoned(now),
        "cases a day": lambda: dashboard.daily_cases(first),
        "anomalies a day": lambda: dashboard.daily_anomalies(first),
        "strongest reasons": lambda: dashboard.top_reasons((now - timedelta(days=13)).date()),
        "all of the page's figures": lambda: dashboard.board(now),
    }


def main() -> None:
    django.setup()
    with filled() as now:
        print(
            f"{TRANSACTIONS:,} transactions, {CASES:,} cases, {ANOMALIES:,} anomalies, "
            f"{VERDICTS:,} verdicts, {DAYS} days"
        )
        for name, ask in figures(now).items():
            print(f"{name:28} {median_ms(ask):8.1f} ms")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "anomaly_server.settings")
    main()
