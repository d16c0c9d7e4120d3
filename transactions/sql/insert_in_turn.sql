-- Stores one row, marks its user as waiting if it came late, with a row of the user after it, because it changes the
-- scores of those; and gives what nobody knows but the database. A guard takes the place of `true`. No row: the id was
-- there, or the guard says no.
WITH stored AS (
    INSERT INTO transactions (id, user_id, amount, currency, txn_date, status, meta_data)
    SELECT
        %(id)s::uuid, %(user_id)s::uuid, %(amount)s::numeric, %(currency)s, %(txn_date)s::timestamptz, %(status)s,
        %(meta_data)s::jsonb
    WHERE true
    -- No conflict target: a sharded table's key is (id, user_id).
    ON CONFLICT DO NOTHING
    RETURNING meta_data::text, merchant_id, (extract(epoch FROM received_at) * 1000000)::bigint
), late AS (
    INSERT INTO pending_scores (user_id, since)
    SELECT %(user_id)s::uuid, %(txn_date)s::timestamptz FROM stored
    WHERE EXISTS (
        SELECT FROM transactions AS later
        WHERE later.user_id = %(user_id)s AND later.txn_date >= %(txn_date)s
            AND (later.txn_date > %(txn_date)s OR later.id > %(id)s)
    )
    ON CONFLICT (user_id) DO UPDATE SET since = excluded.since WHERE excluded.since < pending_scores.since
)
SELECT * FROM stored
