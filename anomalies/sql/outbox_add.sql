-- Writes events, and tells listeners when the transaction commits: once, however many it wrote.
WITH added AS (
    INSERT INTO outbox_events (id, kind, user_id, subject, score, body)
    SELECT id, kind, user_id, subject, score, body
    FROM jsonb_to_recordset(%(events)s::jsonb) AS event (
        id uuid, kind text, user_id uuid, subject uuid, score float8, body jsonb
    )
)
SELECT pg_notify(%(channel)s, '')
