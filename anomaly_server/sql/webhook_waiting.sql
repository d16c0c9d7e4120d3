-- The deliveries that wait at enabled endpoints. Counting stops at 100,000: an endpoint may be away for three days.
SELECT count(*) FROM (
    SELECT FROM webhook_endpoints AS endpoint
    CROSS JOIN LATERAL (
        SELECT FROM webhook_deliveries WHERE endpoint_id = endpoint.id AND state = 'waiting' LIMIT 100000
    ) AS waiting
    WHERE endpoint.enabled LIMIT 100000
) AS counted
