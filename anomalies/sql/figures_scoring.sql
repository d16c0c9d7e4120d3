-- What scoring is doing, in one row. Both counts stop at a bound, so that a backlog of millions costs no more than one
-- of thousands; the LIMIT within makes each user's rows be counted by the index on users and dates.
SELECT
    (SELECT count(*) FROM (SELECT 1 FROM pending_scores LIMIT %(most)s + 1) AS counted) AS users,
    (
        SELECT count(*) FROM (
            SELECT 1
            FROM (SELECT user_id, since FROM pending_scores LIMIT %(most)s + 1) AS waiting
            CROSS JOIN LATERAL (
                SELECT 1
                FROM transactions
                WHERE transactions.user_id = waiting.user_id AND transactions.txn_date >= waiting.since
                LIMIT %(most)s + 1
            ) AS theirs
            LIMIT %(most)s + 1
        ) AS counted
    ) AS rows,
    (SELECT min(since) FROM pending_scores) AS oldest,
    (SELECT name FROM model_versions WHERE state = 'live') AS model,
    reference.until,
    reference.rows
FROM (SELECT 1) AS always
LEFT JOIN LATERAL (
    SELECT until, rows FROM scoring_references ORDER BY until DESC LIMIT 1
) AS reference ON TRUE
