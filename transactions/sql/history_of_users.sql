-- One value a user: the records of the rows to score, preceded by the `rows` before them that their features may use.
SELECT (
    SELECT string_agg({record}, ''::bytea ORDER BY transaction.txn_date, transaction.id)
    FROM (
        SELECT *, TRUE AS wanted FROM transactions
        WHERE user_id = pending.user_id AND txn_date >= pending.since AND txn_date < %(until)s
        UNION ALL
        (
            -- The whole order, id included: a cut through rows of one instant must fall where the order says.
            SELECT *, FALSE AS wanted FROM transactions
            WHERE user_id = pending.user_id AND txn_date < pending.since
            ORDER BY txn_date DESC, id DESC
            LIMIT %(rows)s
        )
    ) AS transaction
)
FROM unnest(%(users)s::uuid[], %(since)s::timestamptz[]) AS pending (user_id, since)
