-- Two values: the records of one transaction and of the rows before it, by one range scan of ix_user_date_amount_id, and
-- what it sees of its merchant. `txn_date <= its own` says again what the row comparison says: it bounds the index scan.
SELECT (
    SELECT string_agg({record}, ''::bytea ORDER BY transaction.txn_date, transaction.id)
    FROM (
        SELECT *, id = %(id)s AS wanted FROM transactions
        WHERE
            user_id = %(user_id)s
            AND txn_date <= %(txn_date)s
            AND (txn_date < %(txn_date)s OR id <= %(id)s)
        ORDER BY txn_date DESC, id DESC
        LIMIT %(rows)s + 1
    ) AS transaction
), (
    SELECT ({stretch}) FROM transactions AS paid WHERE paid.id = %(id)s
)
