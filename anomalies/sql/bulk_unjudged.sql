-- The transactions of these cases' anomalies that have no verdict that stands: case, user, transaction, in the order
-- in which one case alone would be judged.
SELECT held.id, held.user_id, anomalies.transaction_id
FROM unnest(%(ids)s::uuid[], %(users)s::uuid[]) AS held (id, user_id)
JOIN anomalies ON anomalies.user_id = held.user_id AND anomalies.case_id = held.id
LEFT JOIN LATERAL (
    SELECT verdicts.value
    FROM verdicts
    WHERE verdicts.transaction_id = anomalies.transaction_id
    ORDER BY verdicts.known_at DESC, verdicts.id DESC
    LIMIT 1
) AS latest ON TRUE
WHERE latest.value IS NULL OR latest.value = %(withdrawn)s
ORDER BY held.user_id, anomalies.txn_date, anomalies.transaction_id
