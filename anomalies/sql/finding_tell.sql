-- Adds one anomaly together with its event, of which listeners hear when the transaction commits. No row, and no event, if
-- it was there.
WITH added AS ({add}),
told AS (
    INSERT INTO outbox_events (id, kind, user_id, subject, score, body)
    SELECT %(event_id)s::uuid, %(kind)s, user_id, transaction_id, score, %(body)s::jsonb FROM added
)
SELECT transaction_id, pg_notify(%(channel)s, '') FROM added
