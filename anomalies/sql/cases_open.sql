-- Opens a case for each of the users who has an anomaly at the threshold that nobody has judged and no case holds.
-- A user whose case is not closed gets no second one: the partial unique index turns it into nothing, after waiting
-- for a writer who is just opening one.
INSERT INTO cases (id, user_id, state, priority, anomaly_count, since, latest_at, outcome)
SELECT
    offered.id,
    offered.user_id,
    'open',
    max(anomalies.score),
    0,
    min(anomalies.txn_date) - %(reach)s::interval,
    max(anomalies.txn_date),
    ''
FROM {offered} AS offered (id, user_id)
JOIN anomalies ON anomalies.user_id = offered.user_id
WHERE
    anomalies.score >= %(threshold)s
    AND anomalies.txn_date >= %(since)s
    AND anomalies.case_id IS NULL
    AND coalesce((
        SELECT verdicts.value FROM verdicts WHERE verdicts.transaction_id = anomalies.transaction_id
        ORDER BY verdicts.known_at DESC, verdicts.id DESC LIMIT 1
    ), 'withdrawn') = 'withdrawn'
GROUP BY offered.id, offered.user_id
ORDER BY offered.user_id
ON CONFLICT DO NOTHING
RETURNING id, user_id, priority
