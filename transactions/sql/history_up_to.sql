-- One transaction of one user and the rows before it, newest first: one range scan of ix_user_date_amount_id.
-- `txn_date <= at` says again what the row comparison says: it bounds the index scan.
SELECT
    transaction.id,
    transaction.user_id,
    transaction.txn_date,
    (least(transaction.amount, 90000000000000) * 100)::int8 AS minor,
    transaction.currency::text AS currency,
    transaction.status = ANY(%(failed)s::text[]) AS failed,
    transaction.id = %(id)s AS wanted
FROM transactions AS transaction
WHERE
    transaction.user_id = %(user_id)s
    AND transaction.txn_date <= %(at)s
    AND (transaction.txn_date < %(at)s OR transaction.id <= %(id)s)
ORDER BY transaction.txn_date DESC, transaction.id DESC
LIMIT %(rows)s + 1
