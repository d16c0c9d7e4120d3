-- How many rows history_of_users.sql would read for each user, by a bounded look into ix_user_date_amount_id.
SELECT
    (
        SELECT count(*) FROM (
            SELECT FROM transactions
            WHERE user_id = asked.user_id AND txn_date >= asked.since AND txn_date < %(until)s
            LIMIT %(most)s
        ) AS wanted
    ) + (
        SELECT count(*) FROM (
            SELECT FROM transactions WHERE user_id = asked.user_id AND txn_date < asked.since LIMIT %(rows)s
        ) AS before
    )
FROM unnest(%(users)s::uuid[], %(since)s::timestamptz[]) WITH ORDINALITY AS asked (user_id, since, place)
ORDER BY place
