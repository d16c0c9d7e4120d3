-- Stores one row that is not scored now, marks its user as waiting, and gives what nobody knows but the database: all of a
-- create in one round trip, and in a database transaction of its own where the caller has none. A guard takes the place
-- of `true`. No row: the id was there, or the guard says no.
WITH stored AS (
    INSERT INTO transactions (id, user_id, amount, currency, txn_date, status, meta_data)
    SELECT %s::uuid, %s::uuid, %s::numeric, %s, %s::timestamptz, %s, %s::jsonb
    WHERE true
    ON CONFLICT DO NOTHING
    RETURNING user_id, txn_date, meta_data::text, merchant_id, received_at
), marked AS (
    INSERT INTO pending_scores (user_id, since) SELECT user_id, txn_date FROM stored
    ON CONFLICT (user_id) DO UPDATE SET since = excluded.since WHERE excluded.since < pending_scores.since
)
SELECT meta_data, merchant_id, received_at FROM stored
