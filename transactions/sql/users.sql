-- Every user once, by hopping from one to the next through ix_user_date_amount_id: the cost follows the number of
-- users, where DISTINCT reads every row.
WITH RECURSIVE hop (user_id) AS (
    (SELECT user_id FROM transactions ORDER BY user_id LIMIT 1)
    UNION ALL
    SELECT (SELECT user_id FROM transactions WHERE user_id > hop.user_id ORDER BY user_id LIMIT 1)
    FROM hop WHERE hop.user_id IS NOT NULL
)
SELECT user_id FROM hop WHERE user_id IS NOT NULL
