-- The users who have an anomaly at the threshold that nobody has judged and that no case holds.
SELECT DISTINCT user_id
FROM anomalies
WHERE
    score >= %(threshold)s
    AND txn_date >= %(since)s
    AND case_id IS NULL
    AND NOT EXISTS (SELECT FROM verdicts WHERE verdicts.transaction_id = anomalies.transaction_id)
