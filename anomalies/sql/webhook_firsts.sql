-- The same for all users of an endpoint at once.
UPDATE webhook_deliveries AS delivery SET next_try_at = now()
WHERE
    endpoint_id = %(endpoint)s AND state = 'waiting' AND next_try_at IS NULL
    AND NOT EXISTS (
        SELECT FROM webhook_deliveries AS earlier
        WHERE
            earlier.endpoint_id = delivery.endpoint_id AND earlier.user_id = delivery.user_id
            AND earlier.state = 'waiting' AND earlier.position < delivery.position
    )
