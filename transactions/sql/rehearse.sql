-- Remembers the staged rows that would be stored, and gives the positions of the others, each with the
-- names of the fields in which the row that is there differs: stored, or seen earlier in the rehearsal.
WITH fresh AS (
    INSERT INTO rehearsed_transactions
    SELECT id, user_id, amount, currency, txn_date, status, meta_data
    FROM staged_transactions AS staged
    WHERE NOT again AND NOT EXISTS (SELECT FROM transactions AS stored WHERE stored.id = staged.id)
    ON CONFLICT DO NOTHING
    RETURNING *
), there AS (
    SELECT id, user_id, amount, currency, txn_date, status, meta_data
    FROM transactions WHERE id IN (SELECT id FROM staged_transactions)
    UNION ALL
    SELECT * FROM rehearsed_transactions WHERE id IN (SELECT id FROM staged_transactions)
    UNION ALL
    SELECT * FROM fresh
)
SELECT staged.position, array_remove(ARRAY[
    CASE WHEN there.user_id <> staged.user_id THEN 'user_id' END,
    CASE WHEN there.amount <> staged.amount THEN 'amount' END,
    CASE WHEN there.currency <> staged.currency THEN 'currency' END,
    CASE WHEN there.txn_date <> staged.txn_date THEN 'txn_date' END,
    CASE WHEN there.status <> staged.status THEN 'status' END,
    CASE WHEN there.meta_data <> staged.meta_data THEN 'meta_data' END
], NULL)
FROM staged_transactions AS staged
JOIN there ON there.id = staged.id
WHERE staged.again OR NOT EXISTS (SELECT FROM fresh WHERE fresh.id = staged.id)
