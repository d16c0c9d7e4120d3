-- Users beyond a given one, in order: one look into ix_user_date_amount_id for each of them, where
-- SELECT DISTINCT would read the whole table. Filled in for both directions by api/listings.py.
WITH RECURSIVE found (user_id) AS (
    (SELECT user_id FROM transactions WHERE user_id {beyond} %(start)s ORDER BY user_id {direction} LIMIT 1)
    UNION ALL
    SELECT (
        SELECT further.user_id FROM transactions AS further
        WHERE further.user_id {beyond} found.user_id ORDER BY further.user_id {direction} LIMIT 1
    )
    FROM found WHERE found.user_id IS NOT NULL
),
page AS (SELECT user_id FROM found WHERE user_id IS NOT NULL LIMIT %(limit)s)
SELECT page.user_id, earliest.txn_date, latest.txn_date, cases.id
FROM page
CROSS JOIN LATERAL (
    SELECT txn_date FROM transactions WHERE user_id = page.user_id ORDER BY txn_date ASC, id DESC LIMIT 1
) AS earliest
CROSS JOIN LATERAL (
    SELECT txn_date FROM transactions WHERE user_id = page.user_id ORDER BY txn_date DESC, id ASC LIMIT 1
) AS latest
LEFT JOIN cases ON cases.user_id = page.user_id AND cases.state <> 'closed'
ORDER BY page.user_id {direction}
