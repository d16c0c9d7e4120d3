-- The transactions in a rescored range whose anomaly stays even below the floor, because somebody has judged it.
SELECT anomalies.transaction_id
FROM unnest(%(users)s::uuid[], %(since)s::timestamptz[]) AS rescored (user_id, since)
JOIN anomalies ON anomalies.user_id = rescored.user_id AND anomalies.txn_date >= rescored.since
WHERE
    EXISTS (SELECT FROM verdicts WHERE verdicts.transaction_id = anomalies.transaction_id)
    OR EXISTS (
        SELECT FROM cases
        WHERE cases.id = anomalies.case_id AND cases.user_id = anomalies.user_id AND cases.state = 'closed'
    )
