-- The rows to score of some users, each user's preceded by the `rows` before them that their features may use.
-- Sorted as scoring wants them: by user, instant, id. Fixed widths, because NumPy reads the binary COPY as records.
SELECT
    transaction.id,
    transaction.user_id,
    transaction.txn_date,
    (least(transaction.amount, 90000000000000) * 100)::int8 AS minor,
    transaction.currency::text AS currency,
    transaction.status = ANY(%(failed)s::text[]) AS failed,
    transaction.txn_date >= pending.since AS wanted
FROM unnest(%(users)s::uuid[], %(since)s::timestamptz[]) AS pending (user_id, since)
CROSS JOIN LATERAL (
    SELECT * FROM transactions
    WHERE user_id = pending.user_id AND txn_date >= pending.since AND txn_date < %(until)s
    UNION ALL
    (
        -- The whole order, id included: a cut through rows of one instant must fall where the order says.
        SELECT * FROM transactions
        WHERE user_id = pending.user_id AND txn_date < pending.since
        ORDER BY txn_date DESC, id DESC
        LIMIT %(rows)s
    )
) AS transaction
ORDER BY transaction.user_id, transaction.txn_date, transaction.id
