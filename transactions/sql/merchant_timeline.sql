-- All payments at merchants: each merchant's in one currency together and in the order (txn_date, id), a value for
-- every four weeks, because a value holds at most 1 GB. Sorted by a number: a text takes several times as long.
SELECT int8send(visit.merchant) || textsend(visit.currency),
    string_agg({visit}, ''::bytea ORDER BY visit.txn_date, visit.id)
FROM (
    SELECT hashtextextended(merchant_id, 0) AS merchant, currency, txn_date, id, amount
    FROM transactions WHERE merchant_id IS NOT NULL
) AS visit
GROUP BY visit.merchant, visit.currency, date_bin('28 days', visit.txn_date, 'epoch'::timestamptz)
ORDER BY visit.merchant, visit.currency, date_bin('28 days', visit.txn_date, 'epoch'::timestamptz)
