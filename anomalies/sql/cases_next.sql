-- Hands out the most urgent case that nobody works on: open, or claimed with a lease that has run out, and not
-- skipped by this analyst. Who asks at the same instant passes over the row that this statement has locked, so that
-- no case is handed out twice; and whoever dies before committing leaves it where it was.
-- The limit is in a part of its own, which PostgreSQL runs once: in a subquery it may run again and lock more.
WITH next AS MATERIALIZED (
    SELECT id, assignee_id
    FROM cases
    WHERE
        state <> 'closed'
        AND (state = 'open' OR lease_until < statement_timestamp())
        AND NOT EXISTS (
            SELECT FROM case_skips
            WHERE
                case_skips.case_id = cases.id
                AND case_skips.analyst_id = %(analyst)s
                AND case_skips.until > statement_timestamp()
        )
    ORDER BY priority DESC, id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)

UPDATE cases
SET state = 'claimed', assignee_id = %(analyst)s, lease_until = statement_timestamp() + %(lease)s
FROM next
WHERE cases.id = next.id
RETURNING
    cases.id,
    cases.user_id,
    (SELECT username FROM auth_user WHERE auth_user.id = next.assignee_id) AS held_by
