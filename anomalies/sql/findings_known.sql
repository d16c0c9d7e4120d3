-- Which findings are anomalies already. They are locked in the order of their keys, so that two writers cannot wait
-- for each other.
SELECT anomalies.transaction_id
FROM unnest(%(users)s::uuid[], %(ids)s::uuid[]) AS found (user_id, transaction_id)
JOIN anomalies USING (user_id, transaction_id)
ORDER BY anomalies.user_id, anomalies.transaction_id
FOR UPDATE OF anomalies
