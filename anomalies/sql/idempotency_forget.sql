-- SKIP LOCKED: one that is just being replaced is not old any more.
DELETE FROM api_idempotency WHERE (owner_id, key) IN (
    SELECT owner_id, key FROM api_idempotency
    WHERE created_at <= now() - %(hours)s * interval '1 hour'
    ORDER BY created_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
