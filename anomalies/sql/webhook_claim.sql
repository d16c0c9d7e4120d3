-- Takes what is due, so many at each endpoint. What was taken is due again when the lease ends: whoever is killed
-- before he has said how it went loses nothing.
WITH due AS (
    SELECT found.id
    FROM unnest(%(endpoints)s::uuid[], %(rooms)s::int[]) AS room (endpoint_id, free)
    CROSS JOIN LATERAL (
        SELECT id FROM webhook_deliveries
        WHERE endpoint_id = room.endpoint_id AND state = 'waiting' AND next_try_at <= now()
        ORDER BY next_try_at
        LIMIT room.free
        FOR UPDATE SKIP LOCKED
    ) AS found
)
UPDATE webhook_deliveries AS delivery SET next_try_at = now() + %(lease)s
FROM due, outbox_events AS event
WHERE delivery.id = due.id AND event.id = delivery.event_id
RETURNING delivery.id, delivery.endpoint_id, delivery.event_id, event.kind, event.at, event.body::text
