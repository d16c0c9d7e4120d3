-- The users who have an anomaly at the threshold that nobody has judged and that no case holds.
SELECT DISTINCT user_id
FROM anomalies
WHERE
    score >= %(threshold)s
    AND txn_date >= %(since)s
    AND case_id IS NULL
    AND coalesce((
        SELECT verdicts.value FROM verdicts WHERE verdicts.transaction_id = anomalies.transaction_id
        ORDER BY verdicts.known_at DESC, verdicts.id DESC LIMIT 1
    ), 'withdrawn') = 'withdrawn'
