-- The instant of a user's n-th row from `since` on, but later than `since`: whoever reads the rows before it reads about
-- n of them, and more only where that many happened at one instant. Null where no row is left for later.
SELECT coalesce(
    nullif(
        (
            SELECT txn_date FROM transactions WHERE user_id = %(user)s AND txn_date >= %(since)s
            ORDER BY txn_date OFFSET %(rows)s LIMIT 1
        ),
        %(since)s
    ),
    (SELECT txn_date FROM transactions WHERE user_id = %(user)s AND txn_date > %(since)s ORDER BY txn_date LIMIT 1)
)
