-- Counts the cases' anomalies again, rather than adding to a count that a lost update would leave wrong for ever.
UPDATE cases
SET
    priority = tally.priority,
    anomaly_count = tally.anomalies,
    latest_at = coalesce(tally.latest_at, cases.latest_at)
FROM (
    SELECT
        held.id,
        count(anomalies.transaction_id) AS anomalies,
        coalesce(max(anomalies.score), 0) AS priority,
        max(anomalies.txn_date) AS latest_at
    FROM unnest(%(ids)s::uuid[], %(users)s::uuid[]) AS held (id, user_id)
    LEFT JOIN anomalies ON anomalies.user_id = held.user_id AND anomalies.case_id = held.id
    GROUP BY held.id
) AS tally
WHERE
    cases.id = tally.id
    AND (cases.priority, cases.anomaly_count, cases.latest_at)
    IS DISTINCT FROM (tally.priority, tally.anomalies, coalesce(tally.latest_at, cases.latest_at))
