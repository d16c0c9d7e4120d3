-- One value: the records of a user's `latest` rows, which are wanted, and of the rows before them that their features
-- may use. So many rows and no more, however many share an instant or lie behind them.
SELECT string_agg({record}, ''::bytea ORDER BY transaction.txn_date, transaction.id)
FROM (
    SELECT newest.*, row_number() OVER (ORDER BY newest.txn_date DESC, newest.id DESC) <= %(latest)s AS wanted
    FROM (
        SELECT * FROM transactions
        WHERE user_id = %(user_id)s
        ORDER BY txn_date DESC, id DESC
        LIMIT %(latest)s + %(rows)s
    ) AS newest
) AS transaction
