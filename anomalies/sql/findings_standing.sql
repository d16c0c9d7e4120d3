-- The anomalies in the ranges that are scored again, and whether somebody has judged them, by a verdict that stands or by closing
-- their case: those stay, even below the floor.
SELECT
    anomalies.user_id,
    anomalies.transaction_id,
    coalesce((
        SELECT verdicts.value FROM verdicts WHERE verdicts.transaction_id = anomalies.transaction_id
        ORDER BY verdicts.known_at DESC, verdicts.id DESC LIMIT 1
    ), 'withdrawn') <> 'withdrawn'
    OR EXISTS (
        SELECT FROM cases
        WHERE cases.id = anomalies.case_id AND cases.user_id = anomalies.user_id AND cases.state = 'closed'
    ) AS judged
FROM unnest(%(users)s::uuid[], %(since)s::timestamptz[]) AS rescored (user_id, since)
JOIN anomalies ON
    anomalies.user_id = rescored.user_id AND anomalies.txn_date >= rescored.since AND anomalies.txn_date < %(until)s
