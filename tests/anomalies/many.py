"""Many cases at once, by SQL: factories would take minutes."""

import json
from uuid import UUID

from django.db import connection

from anomalies.findings import BUILT_IN_MODEL
from tests.anomalies import findings

CASES = """
    INSERT INTO cases (
        id, user_id, state, priority, anomaly_count, opened_at, since, latest_at, outcome, reason, top_reason, amount,
        currency, merchant_id, closed_at
    )
    SELECT
        gen_random_uuid(), gen_random_uuid(), %(state)s, 60 + n %% 40, %(anomalies)s,
        now() - n * interval '1 minute', now() - interval '90 days', now(), %(outcome)s,
        %(reason)s::jsonb,
        'amount_over_median', n, CASE WHEN n %% 10 = 0 THEN 'USD' ELSE 'EUR' END, 'm-' || n %% 500,
        CASE WHEN %(state)s = 'closed' THEN now() - n * interval '1 minute' END
    FROM generate_series(1, %(rows)s) AS n
    RETURNING id
"""
ANOMALIES = """
    INSERT INTO anomalies (
        transaction_id, user_id, amount, currency, txn_date, status, score, rarity, raw, reasons, features,
        reference_id, model_version_id, case_id
    )
    SELECT
        gen_random_uuid(), user_id, 10, 'EUR', now(), 'completed', 65, 1778, 3, '[]', '{}', %(reference)s, %(model)s, id
    FROM cases, generate_series(1, %(anomalies)s)
    WHERE id = ANY(%(ids)s)
"""


def cases(rows: int, *, anomalies: int = 0, state: str = "open") -> list[UUID]:
    """So many cases of users of their own, a minute apart, each with so many anomalies; their ids."""
    outcome = "legitimate" if state == "closed" else ""
    with connection.cursor() as cursor:
        reason = json.dumps({**findings.LARGE, "group": "own_amount"})
        wanted = {"rows": rows, "anomalies": anomalies, "state": state, "outcome": outcome, "reason": reason}
        cursor.execute(CASES, wanted)
        ids = [case for (case,) in cursor.fetchall()]
        if anomalies:
            reference = findings.reference().pk
            parameters = {"ids": ids, "anomalies": anomalies, "reference": reference, "model": BUILT_IN_MODEL}
            cursor.execute(ANOMALIES, parameters)
    return ids
