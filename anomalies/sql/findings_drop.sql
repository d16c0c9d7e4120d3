-- Removes anomalies that are none any more: those in a rescored range that were not found again, and those found
-- below the floor. What somebody has judged, by a verdict or by closing its case, stays.
DELETE FROM anomalies
USING (
    SELECT earlier.user_id, earlier.transaction_id
    FROM unnest(%(users)s::uuid[], %(since)s::timestamptz[]) AS rescored (user_id, since)
    JOIN anomalies AS earlier ON earlier.user_id = rescored.user_id AND earlier.txn_date >= rescored.since
    WHERE earlier.transaction_id <> ALL(%(found)s::uuid[])
    UNION
    SELECT * FROM unnest(%(low_users)s::uuid[], %(low)s::uuid[])
) AS stale (user_id, transaction_id)
WHERE
    anomalies.user_id = stale.user_id
    AND anomalies.transaction_id = stale.transaction_id
    AND NOT EXISTS (SELECT FROM verdicts WHERE verdicts.transaction_id = anomalies.transaction_id)
    AND NOT EXISTS (
        SELECT FROM cases
        WHERE cases.id = anomalies.case_id AND cases.user_id = anomalies.user_id AND cases.state = 'closed'
    )
RETURNING anomalies.user_id
