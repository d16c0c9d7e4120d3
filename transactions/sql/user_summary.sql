-- One user in a few numbers. The count stops at a bound: counting a user with a million rows takes too long.
SELECT
    (SELECT txn_date FROM transactions WHERE user_id = %(user_id)s ORDER BY txn_date ASC, id DESC LIMIT 1),
    (SELECT txn_date FROM transactions WHERE user_id = %(user_id)s ORDER BY txn_date DESC, id ASC LIMIT 1),
    (SELECT count(*) FROM (SELECT 1 FROM transactions WHERE user_id = %(user_id)s LIMIT %(most)s + 1) AS counted),
    (SELECT count(*) FROM anomalies WHERE user_id = %(user_id)s)
