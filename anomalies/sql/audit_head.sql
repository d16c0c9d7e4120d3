-- One writer after the other, until its transaction ends. Two statements in one round trip, because the second
-- has to see what the one before committed while the first waited. {turn} is the lock's number.
SELECT pg_advisory_xact_lock({turn});
SELECT coalesce(max(position), 0),
       coalesce((SELECT hash FROM audit_entries ORDER BY position DESC LIMIT 1), ''),
       clock_timestamp()
FROM audit_entries;
