-- Stores one row, and says whether the user has a row after this one (then this one came late), and what nobody knows but
-- the database. One index probe. A guard takes the place of `true`. No row: the id was there, or the guard says no.
INSERT INTO transactions (id, user_id, amount, currency, txn_date, status, meta_data)
SELECT
    %(id)s::uuid, %(user_id)s::uuid, %(amount)s::numeric, %(currency)s, %(txn_date)s::timestamptz, %(status)s,
    %(meta_data)s::jsonb
WHERE true
-- No conflict target: a sharded table's key is (id, user_id).
ON CONFLICT DO NOTHING
RETURNING
    EXISTS (
        SELECT FROM transactions AS later
        WHERE later.user_id = %(user_id)s AND later.txn_date >= %(txn_date)s
            AND (later.txn_date > %(txn_date)s OR later.id > %(id)s)
    ),
    meta_data::text,
    merchant_id,
    (extract(epoch FROM received_at) * 1000000)::bigint
