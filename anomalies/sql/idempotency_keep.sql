-- What is there already is too old to be answered with. Anything else would be a second effect: no row is written.
INSERT INTO api_idempotency (owner_id, key, request, body_sha256, status, headers, answer)
VALUES (%(owner)s, %(key)s, %(request)s, %(body_sha256)s, %(status)s, %(headers)s::jsonb, %(answer)s)
ON CONFLICT (owner_id, key) DO UPDATE SET
    request = excluded.request, body_sha256 = excluded.body_sha256, status = excluded.status,
    headers = excluded.headers, answer = excluded.answer, created_at = now()
WHERE api_idempotency.created_at <= now() - %(hours)s * interval '1 hour'
