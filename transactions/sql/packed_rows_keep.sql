-- Keeps users' packed rows, each if it is all that is stored between its first and its last instant: a row that came in
-- between would never be seen. Of the ids only the index is read.
INSERT INTO packed_rows (user_id, since, until, layout, rows, ids, content)
SELECT given.user_id, given.since, given.until, %(layout)s, stored.rows, stored.ids, given.content
FROM unnest(
    %(users)s::uuid[], %(since)s::timestamptz[], %(until)s::timestamptz[], %(rows)s::integer[], %(contents)b::bytea[]
) AS given (user_id, since, until, rows, content)
CROSS JOIN LATERAL (
    SELECT count(*)::integer AS rows, bit_xor(uuid_hash(id)) AS ids FROM transactions
    WHERE user_id = given.user_id AND txn_date BETWEEN given.since AND given.until
) AS stored
WHERE stored.rows = given.rows
ON CONFLICT (user_id) DO UPDATE SET
    since = excluded.since, until = excluded.until, layout = excluded.layout,
    rows = excluded.rows, ids = excluded.ids, content = excluded.content
