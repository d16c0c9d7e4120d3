-- The events after a position, in their order.
SELECT position, id, kind, user_id, subject, score, body::text, at
FROM outbox_events
WHERE
    position > %(position)s
    AND (cardinality(%(kinds)s::text[]) = 0 OR kind = ANY(%(kinds)s::text[]))
    AND (%(user_id)s::uuid IS NULL OR user_id = %(user_id)s::uuid)
    AND (%(min_score)s::float8 IS NULL OR score >= %(min_score)s::float8)
ORDER BY position
LIMIT %(limit)s
