-- The seal of what is stored between the first and the last instant of the user's packed rows. Only the index is read.
SELECT {seal}
FROM (
    SELECT since, until, counted.rows, counted.ids
    FROM packed_rows
    -- Not joined and grouped, which would hash the two instants of every row.
    CROSS JOIN LATERAL (
        SELECT count(*)::integer AS rows, bit_xor(uuid_hash(transactions.id)) AS ids
        FROM transactions
        WHERE transactions.user_id = %(user_id)s AND txn_date BETWEEN since AND until
    ) AS counted
    WHERE packed_rows.user_id = %(user_id)s
) AS stored
