-- One transaction with the rows before it, newest first. They come in two parts: the newest, by one range scan of
-- ix_user_date_amount_id, back to where the user's packed rows end, and these; all by the scan where nothing is packed. In
-- the index's own order nothing is sorted; see `lookback.read` for what that leaves open. Whether the packed ones are all
-- that is stored between their first and their last instant is told by packed_whole.sql, by their seal.
-- `txn_date <= its own` says again what the row comparison says: it bounds the index scan.
WITH packed AS MATERIALIZED (
    SELECT * FROM packed_rows
    WHERE user_id = %(user_id)s AND until < %(txn_date)s AND layout = %(layout)s AND {is_packed}
)
SELECT (
    SELECT {record} FROM ({paid}) AS transaction
) || coalesce((
    SELECT string_agg({record}, ''::bytea ORDER BY transaction.txn_date DESC, transaction.id)
    FROM (
        SELECT * FROM transactions
        WHERE
            user_id = %(user_id)s
            AND txn_date <= %(txn_date)s
            AND (txn_date < %(txn_date)s OR id < %(id)s)
            AND txn_date > coalesce((SELECT until FROM packed), '-infinity')
        ORDER BY txn_date DESC, id{order}
        LIMIT %(most)s - 1
    ) AS transaction
), ''), (
    SELECT content FROM packed
), (
    SELECT since FROM packed
), (
    SELECT {seal} FROM packed
)
