-- The seal of what is stored between the first and the last instant of the user's packed rows. Only the index is read.
SELECT {seal}
FROM (
    SELECT since, until, count(*)::integer AS rows, bit_xor(uuid_hash(transactions.id)) AS ids
    FROM packed_rows
    JOIN transactions ON transactions.user_id = %(user_id)s AND txn_date BETWEEN since AND until
    WHERE packed_rows.user_id = %(user_id)s
    GROUP BY since, until
) AS stored
