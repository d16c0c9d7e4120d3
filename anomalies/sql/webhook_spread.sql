-- Writes down what an endpoint is to be told of the next events, and says up to where it looked and how many it found.
-- The endpoint's row is locked: no delivery of it ends meanwhile. Only the first of a user's is due.
WITH taken AS (
    SELECT position, id, kind, user_id FROM outbox_events
    WHERE position > %(position)s ORDER BY position LIMIT %(limit)s
),
wanted AS (
    SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY position) AS place
    FROM taken WHERE kind = ANY(%(kinds)s)
),
added AS (
    INSERT INTO webhook_deliveries
        (id, endpoint_id, event_id, kind, user_id, position, state, attempts, error, give_up_at, next_try_at)
    SELECT
        gen_random_uuid(), %(endpoint)s, id, kind, user_id, position, 'waiting', 0, '', now() + %(patience)s,
        CASE WHEN user_id IS NULL OR place = 1 AND NOT EXISTS (
            SELECT FROM webhook_deliveries AS earlier
            WHERE earlier.endpoint_id = %(endpoint)s AND earlier.user_id = wanted.user_id AND earlier.state = 'waiting'
        ) THEN now() END
    FROM wanted
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT max(position), count(*), (SELECT count(*) FROM added) FROM taken
