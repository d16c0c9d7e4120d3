-- Two statements: the second one's snapshot is younger than the lock, and so sees what its last holder committed.
SELECT pg_try_advisory_xact_lock(%(lock)s);
SELECT request, body_sha256, status, headers::text, answer FROM api_idempotency
WHERE owner_id = %(owner)s AND key = %(key)s AND created_at > now() - %(hours)s * interval '1 hour'
