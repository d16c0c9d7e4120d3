-- How many transactions there are on each day (UTC) from one instant to another, by the index of dates alone where the
-- table is vacuumed.
SELECT date_bin('1 day', txn_date, 'epoch'::timestamptz), count(*)
FROM transactions
WHERE txn_date >= %(since)s AND txn_date < %(until)s
GROUP BY 1
