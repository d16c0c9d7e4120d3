-- Makes due what comes first of what waits for an endpoint of a user.
UPDATE webhook_deliveries SET next_try_at = now()
WHERE
    next_try_at IS NULL AND id = (
        SELECT id FROM webhook_deliveries
        WHERE endpoint_id = %(endpoint)s AND user_id = %(user)s AND state = 'waiting'
        ORDER BY position LIMIT 1
    )
