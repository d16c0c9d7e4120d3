-- For each of the given positions the names of the fields in which the stored row differs.
-- A statement of its own: its snapshot sees what other sessions have committed meanwhile.
SELECT staged.position, array_remove(ARRAY[
    CASE WHEN stored.user_id <> staged.user_id THEN 'user_id' END,
    CASE WHEN stored.amount <> staged.amount THEN 'amount' END,
    CASE WHEN stored.currency <> staged.currency THEN 'currency' END,
    CASE WHEN stored.txn_date <> staged.txn_date THEN 'txn_date' END,
    CASE WHEN stored.status <> staged.status THEN 'status' END,
    CASE WHEN stored.meta_data <> staged.meta_data THEN 'meta_data' END
], NULL)
FROM staged_transactions AS staged
JOIN transactions AS stored ON stored.id = staged.id
-- Not "= ANY": 20,000 positions would be looked up one after the other for each row.
WHERE staged.position IN (SELECT unnest(%(positions)s::integer[]))
