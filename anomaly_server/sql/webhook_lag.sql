-- Seconds that the oldest event has waited of which some endpoint is still to hear; 0 if none waits.
-- Also what is not written down as deliveries yet: else nothing would seem to wait while no worker runs.
SELECT greatest(coalesce(extract(epoch FROM now() - min(least(waiting.created_at, unread.at, unplaced.at))), 0), 0)::float8
FROM webhook_endpoints AS endpoint
LEFT JOIN LATERAL (
    SELECT created_at FROM webhook_deliveries
    WHERE endpoint_id = endpoint.id AND state = 'waiting' ORDER BY created_at LIMIT 1
) AS waiting ON true
LEFT JOIN LATERAL (
    SELECT at FROM outbox_events WHERE position > endpoint.position ORDER BY position LIMIT 1
) AS unread ON true
LEFT JOIN LATERAL (SELECT at FROM outbox_events WHERE position IS NULL ORDER BY at, id LIMIT 1) AS unplaced ON true
WHERE endpoint.enabled
