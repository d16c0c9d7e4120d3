-- Two values: one transaction and the rows before it, by one range scan of ix_user_date_amount_id, and what it sees of its
-- merchant, each newest first. In the index's own order nothing is sorted; see `history.up_to` for what that leaves open.
-- `txn_date <= its own` says again what the row comparison says: it bounds the index scan.
SELECT (
    SELECT string_agg({record}, ''::bytea ORDER BY transaction.txn_date DESC, transaction.id)
    FROM (
        SELECT * FROM transactions
        WHERE
            user_id = %(user_id)s
            AND txn_date <= %(txn_date)s
            AND (txn_date < %(txn_date)s OR id <= %(id)s)
        ORDER BY txn_date DESC, id{order}
        LIMIT %(rows)s + 2
    ) AS transaction
), (
    SELECT ({stretch}) FROM transactions AS paid WHERE paid.id = %(id)s
)
