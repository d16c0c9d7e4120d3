-- Removes anomalies that are none any more. What somebody has judged, by a verdict that stands or by closing its case, stays, also
-- if that happened only just now.
DELETE FROM anomalies
USING (SELECT DISTINCT * FROM unnest(%(users)s::uuid[], %(transactions)s::uuid[])) AS stale (user_id, transaction_id)
WHERE
    anomalies.user_id = stale.user_id
    AND anomalies.transaction_id = stale.transaction_id
    AND coalesce((
        SELECT verdicts.value FROM verdicts WHERE verdicts.transaction_id = anomalies.transaction_id
        ORDER BY verdicts.known_at DESC, verdicts.id DESC LIMIT 1
    ), 'withdrawn') = 'withdrawn'
    AND NOT EXISTS (
        SELECT FROM cases
        WHERE cases.id = anomalies.case_id AND cases.user_id = anomalies.user_id AND cases.state = 'closed'
    )
RETURNING anomalies.user_id
