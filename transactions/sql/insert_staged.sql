-- Stores the staged rows and gives the positions of those that were not stored, because their id was there.
-- The order: a user's rows land in neighbouring index pages, and two sessions that write the same rows
-- wait for each other in one order, so they cannot deadlock.
WITH stored AS (
    INSERT INTO transactions (id, user_id, amount, currency, txn_date, status, meta_data)
    SELECT id, user_id, amount, currency, txn_date, status, meta_data
    FROM staged_transactions
    WHERE NOT again
    ORDER BY user_id, txn_date, id
    ON CONFLICT DO NOTHING
    RETURNING id
)
SELECT position
FROM staged_transactions AS staged
WHERE again OR NOT EXISTS (SELECT FROM stored WHERE stored.id = staged.id)
