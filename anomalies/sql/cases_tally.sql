-- Counts the cases' anomalies again, rather than adding to a count that a lost update would leave wrong for ever, and
-- keeps a snapshot of the strangest one, by which the queue filters and sorts without reading anomalies.
WITH tally AS (
    SELECT DISTINCT ON (held.id)
        held.id,
        held.user_id,
        anomalies.transaction_id AS strangest,
        coalesce(anomalies.score, 0) AS priority,
        count(anomalies.transaction_id) OVER of_case AS anomalies,
        max(anomalies.txn_date) OVER of_case AS latest_at
    FROM {held} AS held (id, user_id)
    LEFT JOIN anomalies ON anomalies.user_id = held.user_id AND anomalies.case_id = held.id
    WINDOW of_case AS (PARTITION BY held.id)
    ORDER BY held.id, anomalies.score DESC NULLS LAST, anomalies.transaction_id
),

found AS (
    SELECT
        tally.id,
        tally.priority,
        tally.anomalies,
        tally.latest_at,
        anomalies.reasons -> 0 AS reason,
        coalesce(left(anomalies.reasons -> 0 ->> 'code', 40), '') AS top_reason,
        anomalies.amount,
        coalesce(anomalies.currency, '') AS currency,
        anomalies.merchant_id
    FROM tally
    LEFT JOIN anomalies ON anomalies.user_id = tally.user_id AND anomalies.transaction_id = tally.strangest
)

UPDATE cases
SET
    priority = found.priority,
    anomaly_count = found.anomalies,
    latest_at = coalesce(found.latest_at, cases.latest_at),
    reason = found.reason,
    top_reason = found.top_reason,
    amount = found.amount,
    currency = found.currency,
    merchant_id = found.merchant_id
FROM found
WHERE
    cases.id = found.id
    AND (
        cases.priority, cases.anomaly_count, cases.latest_at, cases.reason, cases.top_reason, cases.amount,
        cases.currency, cases.merchant_id
    )
    IS DISTINCT FROM (
        found.priority, found.anomalies, coalesce(found.latest_at, cases.latest_at), found.reason, found.top_reason,
        found.amount, found.currency, found.merchant_id
    )
