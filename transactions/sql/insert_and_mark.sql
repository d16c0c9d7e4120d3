-- Stores one row that is not scored now, marks its user as waiting, and gives what the API shows of it: all of a create
-- in one round trip, and in a database transaction of its own where the caller has none. No row: the id was there.
WITH stored AS (
    INSERT INTO transactions (id, user_id, amount, currency, txn_date, status, meta_data)
    VALUES (%(id)s, %(user_id)s, %(amount)s, %(currency)s, %(txn_date)s, %(status)s, %(meta_data)s::jsonb)
    ON CONFLICT DO NOTHING
    RETURNING id, user_id, amount::text, currency, txn_date, status, meta_data::text, merchant_id, received_at
), marked AS (
    INSERT INTO pending_scores (user_id, since) SELECT user_id, txn_date FROM stored
    ON CONFLICT (user_id) DO UPDATE SET since = excluded.since WHERE excluded.since < pending_scores.since
)
SELECT * FROM stored
