-- Two payments of one user at once: the second waits here, so that its history shows the first. The lock is a statement
-- of its own, because the one that follows sees what was committed while it waited.
SELECT pg_advisory_xact_lock(%(turn)s);
-- As in insert_one.sql, and says whether the user has a row after this one: then this one came late. One index probe.
INSERT INTO transactions (id, user_id, amount, currency, txn_date, status, meta_data)
VALUES (%(id)s, %(user_id)s, %(amount)s, %(currency)s, %(txn_date)s, %(status)s, %(meta_data)s::jsonb)
ON CONFLICT DO NOTHING
RETURNING EXISTS (
    SELECT FROM transactions AS later
    WHERE later.user_id = %(user_id)s AND later.txn_date >= %(txn_date)s
        AND (later.txn_date > %(txn_date)s OR later.id > %(id)s)
)
