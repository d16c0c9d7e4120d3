-- The names of the fields in which the stored row of this id differs.
SELECT array_remove(ARRAY[
    CASE WHEN user_id <> %(user_id)s THEN 'user_id' END,
    CASE WHEN amount <> %(amount)s THEN 'amount' END,
    CASE WHEN currency <> %(currency)s THEN 'currency' END,
    CASE WHEN txn_date <> %(txn_date)s THEN 'txn_date' END,
    CASE WHEN status <> %(status)s THEN 'status' END,
    CASE WHEN meta_data <> %(meta_data)s::jsonb THEN 'meta_data' END
], NULL)
FROM transactions
WHERE id = %(id)s
